"""Host keys from the text of a known_hosts file, as OpenSSH reads it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pulumi

PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
"""Types of keys that pulumi-command can verify, the first one first.

An RSA key is of no use: pulumi-command offers it as `ssh-rsa`, which OpenSSH refuses (docs/command-plugin.md, S3)."""


class HostKeyError(pulumi.RunError):
    """No usable host key is known for a host, so no connection is made."""


@dataclass(frozen=True)
class Entry:
    """One line of the file that is about one host."""

    marker: str
    """`@revoked`, `@cert-authority`, or empty."""
    type: str
    key: str
    """Public key in base64."""


def known_host_key(known_hosts: str, host: str, port: int) -> str:
    """Return the best public key of `host`, e.g. `ssh-ed25519 AAAA…`.

    Raises:
        HostKeyError: the file has no key that pulumi-command can verify; the text says how to get one.
    """
    name = host if port == 22 else f"[{host}]:{port}"
    entries = list(_entries(known_hosts, name))
    revoked = {entry.key for entry in entries if entry.marker == "@revoked"}
    keys = {entry.type: entry.key for entry in reversed(entries) if not entry.marker and entry.key not in revoked}
    for kind in PREFERRED:
        if kind in keys:
            return f"{kind} {keys[kind]}"
    raise HostKeyError(
        f"ssh.knownHostsFile {_lacks(name, entries, keys)}; take its Ed25519 key from the host's console, or, on a "
        f"network you trust, run\n  ssh-keyscan -t ed25519 -p {port} {host}"
    )


def _lacks(name: str, entries: list[Entry], keys: dict[str, str]) -> str:
    if keys:
        return f"has only keys of type {', '.join(sorted(keys))} for {name}, which pulumi-command cannot verify"
    if any(entry.marker == "@cert-authority" for entry in entries):
        return f"has a certificate authority for {name}, which pulumi-command does not support"
    if entries:
        return f"revokes every key of {name}"
    return f"has no key for {name}"


def _entries(known_hosts: str, name: str) -> Iterator[Entry]:
    for line in known_hosts.split("\n"):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) >= 3 and not fields[0].startswith("#") and _matches(fields[0], name) and _valid(*fields[1:3]):
            yield Entry(marker, fields[1], fields[2])


def _matches(patterns: str, name: str) -> bool:
    """Whether a line is about `name`; its names are hashed (HashKnownHosts) or patterns, and `!pattern` excludes."""
    if patterns.startswith("|1|"):
        return _hashed(patterns, name)
    listed = patterns.lower().split(",")
    denied = any(_like(name, pattern[1:]) for pattern in listed if pattern.startswith("!"))
    return not denied and any(_like(name, pattern) for pattern in listed if not pattern.startswith("!"))


def _like(name: str, pattern: str) -> bool:
    # Brackets are no wildcards here: "[host]:2222".
    return fnmatchcase(name.lower(), pattern.replace("[", "[[]"))


def _hashed(text: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in text.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def _valid(kind: str, key: str) -> bool:
    """Whether the key is one of its type: a blob starts with the type's length and name."""
    try:
        blob = base64.b64decode(key, validate=True)
    except ValueError:  # Also of a key with other characters than ASCII
        return False
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")] == kind.encode()
