"""The stacks that come with the product: valid sites, and every secret sealed."""

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from rack.site import OCCASIONAL_SECRETS, SECRETS
from rack.site.load import load_stack_file
from tests import yamls
from tests.rack.sites import ROOT, STACK_FILES

PASSPHRASES = {"Pulumi.dev.yaml": "lab", "Pulumi.reference.yaml": "reference"}


def stack(file: str) -> dict[str, Any]:
    return dict(yamls.load((ROOT / file).read_text()))


@cache
def key(passphrase: str, salt: str) -> AESGCM:
    """Pulumi's passphrase secrets: PBKDF2-SHA256, a million rounds, AES-256-GCM."""
    return AESGCM(PBKDF2HMAC(hashes.SHA256(), 32, b64decode(salt), 1_000_000).derive(passphrase.encode()))


def opened(file: str, sealed: str) -> str:
    salt = stack(file)["encryptionsalt"].split(":")[1]
    version, nonce, text = sealed.split(":")
    assert version == "v1"
    return key(PASSPHRASES[file], salt).decrypt(b64decode(nonce), b64decode(text), None).decode()


@pytest.mark.parametrize("file", STACK_FILES)
def test_the_site_is_valid(file: str) -> None:
    assert len(load_stack_file(ROOT / file).nodes) == 5


@pytest.mark.parametrize("file", STACK_FILES)
def test_the_passphrase_is_the_one_that_the_file_names(file: str) -> None:
    assert f"passphrase `{PASSPHRASES[file]}`" in (ROOT / file).read_text()
    assert opened(file, stack(file)["encryptionsalt"].split(":", 2)[2]) == "pulumi"


@pytest.mark.parametrize("file", STACK_FILES)
def test_every_secret_is_sealed_and_opens(file: str) -> None:
    config = stack(file)["config"]
    ours = {name.removeprefix("rack:"): value for name, value in config.items() if name.startswith("rack:")}
    sealed = {name: value for name, value in ours.items() if name != "site"}
    assert set(sealed) == set(SECRETS) - OCCASIONAL_SECRETS
    plain = {name: opened(file, value["secure"]) for name, value in sealed.items()}
    assert all(set(value) == {"secure"} for value in sealed.values())
    assert re.fullmatch(r"\w{4,30}", plain["ufmPassword"], re.ASCII), "as UFM takes it"
    assert all(plain.values())


@pytest.mark.parametrize("file", STACK_FILES)
def test_nothing_of_the_site_looks_like_a_secret(file: str) -> None:
    for path, value in leaves(stack(file)["config"]["rack:site"], ""):
        assert not re.search("(?i)password|token$|secret|license$|apikey", path), path
        # GUIDs apart, nothing is as long and as mixed as a key or a token.
        assert re.fullmatch("[0-9a-f]{16}", value) or not re.search(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=]{16,}", value)


def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, str(value)


def test_the_reference_is_a_real_site_and_the_lab_is_not() -> None:
    reference, lab = (load_stack_file(ROOT / file) for file in reversed(STACK_FILES))
    assert str(reference.networks.provisioning.cidr) == "192.168.24.0/24"
    assert (reference.ufm.port, reference.ssh.overcloud_user) == (443, "tripleo-admin")
    assert lab.networks.provisioning.cidr.is_loopback, "the lab touches nothing but this machine"
    assert [n.role for n in reference.nodes] == [n.role for n in lab.nodes]
