"""UFM's HTTPS certificate and its authority. A real UFM has a self-signed one; clients can verify the lab's."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


def authority(folder: Path) -> trustme.CA:
    """Return the certificate authority of `folder`/ca.pem; create it at the first call."""
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not _lasts(certificate):
        ca = trustme.CA(organization_name="Lab UFM")
        _write_secret(key, ca.private_key_pem.bytes())
        certificate.write_bytes(ca.cert_pem.bytes())
    return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())


def server_context(folder: Path, address: str) -> ssl.SSLContext:
    """Return the TLS context of a server at `address`, 127.0.0.1 and localhost.

    The certificate in `folder`/server.pem is renewed 30 days before it expires, and when the address or the authority
    has changed.
    """
    ca, path = authority(folder), folder / "server.pem"
    names = [address, "127.0.0.1", "localhost"]
    if not (_lasts(path) and _is_for(path, names, ca)):
        leaf = ca.issue_cert(*dict.fromkeys(names), not_after=datetime.now(UTC) + LIFE)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        _write_secret(path, chain + leaf.private_key_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _lasts(path: Path) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def _is_for(path: Path, names: list[str], ca: trustme.CA) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    present = {str(name.value) for name in found}
    return certificate.issuer == issuer.subject and present == set(names)


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
