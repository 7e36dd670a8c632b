"""How UFM's certificate is verified: by an authority, under a name, or by its fingerprint."""

import re
import ssl
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

REFUSALS = ("certificate verify failed", "doesn't match", "Fingerprints did not match")
"""What errors of OpenSSL and urllib3 say about a certificate that is not trusted."""


@dataclass(frozen=True)
class Trust:
    """What makes a certificate trusted. Without any field, an authority of the system's store, for UFM's address."""

    ca_file: str | None = None
    """PEM file of the authority."""
    ca: str | None = None
    """PEM text of the authority, or of a self-signed certificate itself; goes before `ca_file`."""
    server_name: str | None = None
    """The name in the certificate, if it is not UFM's address."""
    fingerprint: str | None = None
    """SHA-256 of the certificate in hex. Only this certificate is trusted, whatever its names and issuer."""
    insecure: bool = False
    """Do not verify the certificate."""

    def apply(self, session: requests.Session) -> None:
        """Make the session verify certificates like this."""
        # requests would use certifi's list, which does not contain an organisation's own authority.
        store = ssl.get_default_verify_paths()
        session.verify = False if self.insecure else self.ca_file or store.cafile or store.capath or True
        if not self.insecure and (self.ca or self.server_name or self.fingerprint):
            session.mount("https://", _Adapter(self))

    def problem(self, error: OSError) -> str:
        """Return why the certificate is not trusted; empty if `error` has another cause."""
        source = "the input ca" if self.ca else str(self.ca_file)
        try:
            ssl.create_default_context(cafile=None if self.ca else self.ca_file, cadata=self.ca)
        except OSError as unusable:
            return f"{source} contains no certificate: {unusable.strerror}"
        # Other TLS failures are broken connections, which occur while UFM restarts.
        untrusted = isinstance(error, requests.exceptions.SSLError) and any(text in str(error) for text in REFUSALS)
        return f"the certificate is not trusted: {reason(error)}" if untrusted else ""


class _Adapter(HTTPAdapter):
    """Connections with an authority as text, another name than the host's, or a pinned certificate."""

    def __init__(self, trust: Trust) -> None:
        names = {"assert_hostname": trust.server_name, "server_hostname": trust.server_name}
        given = {**names, "assert_fingerprint": trust.fingerprint, "ca_cert_data": trust.ca}
        self._trust = trust
        self._pool: dict[str, Any] = {key: value for key, value in given.items() if value}
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._pool)

    def cert_verify(self, conn: Any, *arguments: Any, **options: Any) -> None:
        super().cert_verify(conn, *arguments, **options)  # type: ignore[no-untyped-call]
        if self._trust.ca or self._trust.fingerprint:
            conn.ca_certs = conn.ca_cert_dir = None
        if self._trust.fingerprint:
            conn.cert_reqs = "CERT_NONE"  # the pin decides alone


def reason(error: BaseException) -> str:
    """Return the innermost cause in a few words: requests wraps urllib3, which wraps the operating system."""
    while isinstance(inner := getattr(error, "reason", None) or next(reversed(error.args), None), Exception):
        error = inner
    return str(error).rpartition(": ")[2] or type(error).__name__


def sha256_hex(fingerprint: str) -> str | None:
    """Return a SHA-256 fingerprint as 64 lower-case digits, given with or without colons; None if it is none."""
    digits = fingerprint.replace(":", "").lower()
    return digits if re.fullmatch("[0-9a-f]{64}", digits) else None
