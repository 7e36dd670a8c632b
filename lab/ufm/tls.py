"""The certificate of UFM's web server: UFM's own, which is self-signed, or the one that its files contain.

UFM makes its own at its installation, for the name of its host and not for its address, so that a client can pin it but
not verify the address. Source: inferred from the certificates that packages of Apache make (Debian's `ssl-cert`, Red
Hat's `mod_ssl`); clients of real UFMs switch the verification off.
"""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LIFE = timedelta(days=3650)
HOSTNAME = "ufm"


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the TLS context of UFM's web server; create UFM's own certificate if it needs one and has none."""
    path = _stored(folder) if _stored(folder).exists() else _own(folder)
    if not path.exists():
        _write_secret(path, self_signed(HOSTNAME))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def store(folder: Path, pem: str) -> None:
    """Keep certificate and key of UFM's files; empty if there are none."""
    if pem:
        _write_secret(_stored(folder), pem.encode())
    else:
        _stored(folder).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Delete UFM's own certificate, as an installation on an empty folder does."""
    _own(folder).unlink(missing_ok=True)


def certify(folder: Path, address: str) -> Path:
    """Store a certificate for an IP address, as the program does on a rack; return the PEM file that verifies it."""
    pem, file = self_signed(address), folder / "ca.pem"
    store(folder, pem.decode())
    file.write_bytes(pem.partition(b"-----BEGIN PRIVATE")[0])
    return file


def self_signed(name: str) -> bytes:
    """Return a self-signed certificate for a host name or an IP address, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now, now + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general_name(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _stored(folder: Path) -> Path:
    return folder / "server.pem"


def _own(folder: Path) -> Path:
    return folder / "own.pem"


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
