"""Files on the machine that runs pulumi, named by the configuration."""

import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pulumi

from rack.site import UfmSpec

CONNECT_SECONDS = 10


def read(key: str, path: Path) -> str:
    """Return the text of the file that a key of `rack:site` names.

    Raises:
        RunError: the file can't be read; the text names key and file.
    """
    try:
        return path.expanduser().read_text()
    except OSError as error:
        raise pulumi.RunError(f"{key}: can't read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise pulumi.RunError(f"{key}: found {str(path)!r}, which is no text; write a file in PEM format") from None


def ufm_ca(ufm: UfmSpec) -> str | None:
    """Return the certificate authority of UFM's certificate, or None if the configuration does not name one.

    Raises:
        RunError: the file can't be read, or UFM's certificate does not have the fingerprint of the configuration, or
            Neutron could not verify UFM by this certificate.
    """
    if not ufm.fingerprint:
        return read("ufm.caFile", ufm.ca_file) if ufm.ca_file else None
    certificate = _pinned(str(ufm.address), ufm.port, ufm.fingerprint)
    if problem := unverifiable(ufm, certificate):
        raise pulumi.RunError(f"ufm.fingerprint: {problem}")
    return certificate


def unverifiable(ufm: UfmSpec, certificate: str) -> str:
    """Return why Neutron could not verify UFM by its own certificate, and what to write; empty if it can.

    A fingerprint is enough for the provider. Neutron's driver (`[sdn] cert_verify`, Python's requests) needs an
    authority, which only a self-signed certificate is for itself, and the name in its URL.
    """
    context = ssl.create_default_context(cadata=certificate)
    context.verify_flags &= ~(ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT)  # as OpenSSL 1.1.1 on the nodes
    context.check_hostname = False
    name = ufm.server_name or str(ufm.address)
    try:
        names = _handshake(ufm, context, None)
        context.check_hostname = True
        _handshake(ufm, context, name)
    except ssl.SSLCertVerificationError as error:
        if not context.check_hostname:
            return f"UFM's certificate is not self-signed ({error.verify_message}); write its authority as ufm.caFile"
        known = ", ".join(names) or "no name"
        return f"Neutron verifies UFM as {name}, and its certificate has {known}; write that name as ufm.serverName"
    return ""


def _handshake(ufm: UfmSpec, context: ssl.SSLContext, name: str | None) -> list[str]:
    """Return the names in UFM's certificate, which the context verifies. Nothing is sent to UFM."""
    address = (str(ufm.address), ufm.port)
    with (
        socket.create_connection(address, CONNECT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        found: dict[str, Any] = dict(tls.getpeercert() or {})
    alternative = [str(value) for _, value in found.get("subjectAltName", ())]
    common = [str(value) for part in found.get("subject", ()) for key, value in part if key == "commonName"]
    return alternative or common


def _pinned(address: str, port: int, fingerprint: str) -> str:
    """Return the certificate with this fingerprint, which UFM presents. Nothing is sent to UFM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the fingerprint decides alone
    try:
        with socket.create_connection((address, port), CONNECT_SECONDS) as plain, context.wrap_socket(plain) as tls:
            certificate = tls.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise pulumi.RunError(f"ufm.fingerprint: UFM at {address}:{port} presents no certificate: {error}") from None
    found = hashlib.sha256(certificate).hexdigest()
    if found != fingerprint.replace(":", "").lower():
        problem = f"ufm.fingerprint: UFM at {address}:{port} presents a certificate with the fingerprint {found}"
        raise pulumi.RunError(f"{problem}; compare it on UFM's host before you write it")
    return ssl.DER_cert_to_PEM_cert(certificate)
