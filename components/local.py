"""Files on the machine that runs pulumi, named by the configuration."""

import hashlib
import socket
import ssl
from pathlib import Path

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


def ufm_ca(ufm: UfmSpec) -> str | None:
    """Return the certificate authority of UFM's certificate, or None if the configuration does not name one.

    Raises:
        RunError: the file can't be read, or UFM's certificate does not have the fingerprint of the configuration.
    """
    if ufm.fingerprint:
        return _pinned(str(ufm.address), ufm.port, ufm.fingerprint)
    return read("ufm.caFile", ufm.ca_file) if ufm.ca_file else None


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
