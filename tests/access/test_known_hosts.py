"""Host keys are found by OpenSSH's rules; the tests compare with `ssh-keygen -F`."""

import subprocess
from pathlib import Path

import pytest

from access.known_hosts import HostKeyError, known_host_key


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return a public key per type, as `TYPE BASE64`."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for kind, bits in (("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "521"), ("rsa", "2048")):
        path = folder / f"{kind}{bits}"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", bits, "-N", "", "-f", path], check=True)
        made[f"{kind}{bits}"] = " ".join(path.with_suffix(".pub").read_text().split()[:2])
    return made


def hashed(text: str, folder: Path) -> str:
    """Return the file as `ssh-keygen -H` (HashKnownHosts, Debian's default) makes it."""
    path = folder / "known_hosts"
    path.write_text(text)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)
    return path.read_text()


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 22),
        ("[192.0.2.1]:2222", "192.0.2.1", 2222),
        ("other,192.0.2.1", "192.0.2.1", 22),
        ("192.0.2.*", "192.0.2.1", 22),
        ("[192.0.2.?]:2222", "192.0.2.1", 2222),
        ("UFM.example", "ufm.example", 22),
    ],
)
def test_an_entry_of_the_host_is_found(keys: dict[str, str], pattern: str, host: str, port: int) -> None:
    text = f"# comment\n\n{pattern} {keys['ed25519256']} comment\n"
    assert known_host_key(text, host, port) == keys["ed25519256"]


@pytest.mark.parametrize(
    ("pattern", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 2222),
        ("[192.0.2.1]:2222", "192.0.2.1", 22),
        ("192.0.2.11", "192.0.2.1", 22),
        ("192.0.2.*,!192.0.2.1", "192.0.2.1", 22),
        ("[2]", "2", 22),
    ],
)
def test_an_entry_of_another_host_is_not_found(keys: dict[str, str], pattern: str, host: str, port: int) -> None:
    with pytest.raises(HostKeyError, match="has no key for"):
        known_host_key(f"{pattern} {keys['ed25519256']}\n", host, port)


@pytest.mark.parametrize(("name", "port"), [("192.0.2.1", 22), ("[192.0.2.1]:2222", 2222)])
def test_a_hashed_entry_is_found(keys: dict[str, str], tmp_path: Path, name: str, port: int) -> None:
    text = hashed(f"{name} {keys['ed25519256']}\n", tmp_path)
    assert "192.0.2.1" not in text
    assert known_host_key(text, "192.0.2.1", port) == keys["ed25519256"]
    with pytest.raises(HostKeyError):
        known_host_key(text, "192.0.2.2", port)
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", tmp_path / "known_hosts"], capture_output=True, check=False)
    assert found.returncode == 0


def test_the_preferred_key_type_is_chosen_in_any_order(keys: dict[str, str]) -> None:
    lines = [f"h {keys[kind]}" for kind in ("rsa2048", "ecdsa521", "ecdsa256", "ed25519256")]
    assert known_host_key("\n".join(lines), "h", 22) == keys["ed25519256"]
    assert known_host_key("\n".join(lines[:-1]), "h", 22) == keys["ecdsa256"]
    assert known_host_key("\n".join(lines[:-2]), "h", 22) == keys["ecdsa521"]


def test_the_first_key_of_a_type_is_chosen(keys: dict[str, str]) -> None:
    other = keys["ed25519256"][:-4] + "AAAA"
    assert known_host_key(f"h {keys['ed25519256']}\nh {other}\n", "h", 22) == keys["ed25519256"]


def test_a_host_with_only_an_rsa_key_is_refused_with_advice(keys: dict[str, str]) -> None:
    with pytest.raises(
        HostKeyError, match=r"only keys of type ssh-rsa for \[h\]:2222.*\n  ssh-keyscan -t ed25519 -p 2222 h"
    ):
        known_host_key(f"[h]:2222 {keys['rsa2048']}\n", "h", 2222)


def test_a_revoked_key_is_never_used(keys: dict[str, str]) -> None:
    revoked = f"@revoked * {keys['ed25519256']}\nh {keys['ed25519256']}\n"
    with pytest.raises(HostKeyError, match="revokes every key of h"):
        known_host_key(revoked, "h", 22)
    assert known_host_key(f"{revoked}h {keys['ecdsa256']}\n", "h", 22) == keys["ecdsa256"]


def test_a_certificate_authority_is_not_used_as_a_host_key(keys: dict[str, str]) -> None:
    with pytest.raises(HostKeyError, match="certificate authority for h, which pulumi-command does not support"):
        known_host_key(f"@cert-authority * {keys['ed25519256']}\n", "h", 22)


@pytest.mark.parametrize(
    "rest", ["ssh-ed25519", "ssh-ed25519 !!!", "ssh-ed25519 AAAA", "ssh-ed25519 \u00e4", "|1|x|y ssh-ed25519 AAAA"]
)
def test_a_malformed_line_is_skipped(keys: dict[str, str], rest: str) -> None:
    assert (
        known_host_key(f"h {rest}\n|1|x|y {keys['rsa2048']}\nh {keys['ed25519256']}\n", "h", 22) == keys["ed25519256"]
    )


@pytest.mark.parametrize("separator", ["\f", "\v", "\x1c", "\x85", "\u2028"])
def test_only_a_line_feed_ends_a_line(keys: dict[str, str], separator: str) -> None:
    """Otherwise the end of a comment would be an entry. OpenSSH reads with getline."""
    with pytest.raises(HostKeyError):
        known_host_key(f"# replaced{separator}h {keys['ed25519256']}\n", "h", 22)
