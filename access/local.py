"""Files on the machine that runs pulumi, named by the configuration."""

import hashlib
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi

from rack.site import UfmSpec

CONNECT_SECONDS = 10


class UfmDownError(pulumi.RunError):
    """UFM does not answer, so its pinned certificate is not known."""


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

    A pinned certificate is read from UFM and kept in the user's cache, so that it is known while UFM does not answer.

    Raises:
        UfmDownError: UFM does not answer, and its pinned certificate was never read on this machine.
        RunError: the file can't be read, or UFM's certificate does not have the fingerprint of the configuration, or
            Neutron could not verify UFM by this certificate.
    """
    if not ufm.fingerprint:
        return read("ufm.caFile", ufm.ca_file) if ufm.ca_file else None
    try:
        certificate = _pinned(str(ufm.address), ufm.port, ufm.fingerprint)
        problem = unverifiable(ufm, certificate)
    except OSError as error:
        if cached := _cached(ufm.fingerprint):
            return cached
        raise UfmDownError(
            f"ufm.fingerprint: UFM at {ufm.address}:{ufm.port} presents no certificate: {error}"
        ) from None
    if problem:
        raise pulumi.RunError(f"ufm.fingerprint: {problem}")
    _keep(ufm.fingerprint, certificate)
    return certificate


def ufm_ca_in_preview(ufm: UfmSpec) -> str | None:
    """Return what `ufm_ca` returns. In a preview, None if UFM does not answer: then the authority is unknown.

    Raises:
        RunError: see `ufm_ca`.
    """
    try:
        return ufm_ca(ufm)
    except UfmDownError as down:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.warn(f"{down}; the preview shows documents with this certificate as changed")
        return None


def _cache(fingerprint: str) -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(folder).expanduser() / "rack" / f"ufm-{_digits(fingerprint)}.pem"


def _digits(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()


def _cached(fingerprint: str) -> str | None:
    """Return the certificate with this fingerprint, if it was read before."""
    with suppress(OSError, ValueError):
        certificate = _cache(fingerprint).read_text()
        if hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest() == _digits(fingerprint):
            return certificate
    return None


def _keep(fingerprint: str, certificate: str) -> None:
    file = _cache(fingerprint)
    with suppress(OSError):  # Only a preview without UFM needs it
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(certificate)


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
    """Return the certificate with this fingerprint, which UFM presents. Nothing is sent to UFM.

    Raises:
        OSError: no answer.
        RunError: the certificate has another fingerprint.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the fingerprint decides alone
    with socket.create_connection((address, port), CONNECT_SECONDS) as plain, context.wrap_socket(plain) as tls:
        certificate = tls.getpeercert(binary_form=True) or b""
    found = hashlib.sha256(certificate).hexdigest()
    if found != _digits(fingerprint):
        problem = f"ufm.fingerprint: UFM at {address}:{port} presents a certificate with the fingerprint {found}"
        raise pulumi.RunError(f"{problem}; compare it on UFM's host before you write it")
    return ssl.DER_cert_to_PEM_cert(certificate)
