"""Files on the operator's machine: UFM's certificate."""

import hashlib
import ssl
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

import pulumi
import pytest

from access import local
from lab.ufm import tls
from lab.ufm.listener import Listener
from rack.plan import Plan
from rack.site import UfmSpec
from tests.providers.server import Answer, authority, serving


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@contextmanager
def presenting(folder: Path, name: str) -> Iterator[tuple[UfmSpec, str]]:
    """A UFM on 127.0.0.1 whose self-signed certificate has a name; yield its configuration and the fingerprint."""
    tls.store(folder, tls.self_signed(name).decode())
    server = Listener("127.0.0.1", 0, lambda _environment, _start: [], tls.server_context(folder))
    pem = ssl.get_server_certificate(("127.0.0.1", server.port))
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    yield UfmSpec(address=IPv4Address("127.0.0.1"), port=server.port, fingerprint=found), pem
    server.stop()


def test_a_pinned_certificate_is_fetched_once_and_compared(tmp_path: Path) -> None:
    with presenting(tmp_path, "127.0.0.1") as (ufm, pem):
        found = str(ufm.fingerprint)
        for pin in (found, ":".join(textwrap.wrap(found.upper(), 2))):
            assert local.ufm_ca(ufm.model_copy(update={"fingerprint": pin})) == pem
        with pytest.raises(pulumi.RunError, match=f"presents a certificate with the fingerprint {found}"):
            local.ufm_ca(ufm.model_copy(update={"fingerprint": "ab" * 32}))
    assert local.ufm_ca(ufm.model_copy(update={"fingerprint": None})) is None


def test_a_pinned_certificate_that_was_read_before_is_known_while_ufm_is_down(tmp_path: Path) -> None:
    with presenting(tmp_path, "127.0.0.1") as (ufm, pem):
        assert local.ufm_ca(ufm) == pem
    assert local.ufm_ca(ufm) == pem
    other = ufm.model_copy(update={"fingerprint": "ab" * 32})
    (kept,) = (tmp_path / "cache/rack").iterdir()
    kept.rename(kept.with_name(f"ufm-{other.fingerprint}.pem"))  # The file's content decides
    for one in (ufm, other):
        with pytest.raises(local.UfmDownError, match="presents no certificate"):
            local.ufm_ca(one)


def test_a_preview_while_ufm_is_down_treats_its_certificate_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi, "warn", warned.append)
    with presenting(tmp_path, "127.0.0.1") as (ufm, _):
        pass
    with pytest.raises(pulumi.RunError, match="presents no certificate"):
        local.ufm_ca_in_preview(ufm)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    assert local.ufm_ca_in_preview(ufm) is None
    assert "presents no certificate" in warned[0]


def test_a_preview_refuses_another_certificate_than_the_pinned_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    with presenting(tmp_path, "127.0.0.1") as (ufm, _), pytest.raises(pulumi.RunError, match="with the fingerprint"):
        local.ufm_ca_in_preview(ufm.model_copy(update={"fingerprint": "ab" * 32}))


def test_a_pinned_certificate_needs_a_name_that_neutron_can_verify(tmp_path: Path) -> None:
    """The provider compares the fingerprint alone; Neutron would fail after the deployment (O3)."""
    with presenting(tmp_path, "ufm") as (ufm, pem):
        with pytest.raises(pulumi.RunError) as refused:
            local.ufm_ca(ufm)
        assert str(refused.value) == (
            "ufm.fingerprint: Neutron verifies UFM as 127.0.0.1, and its certificate has ufm; "
            "write that name as ufm.serverName"
        )
        assert local.ufm_ca(ufm.model_copy(update={"server_name": "ufm"})) == pem


def test_a_pinned_certificate_of_an_authority_is_no_authority_for_neutron(tmp_path: Path) -> None:
    with serving(*authority(tmp_path), lambda _request: Answer()) as server:
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        ufm = UfmSpec(address=IPv4Address("127.0.0.1"), port=server.port, fingerprint=found)
        with pytest.raises(pulumi.RunError, match=r"is not self-signed .*; write its authority as ufm\.caFile"):
            local.ufm_ca(ufm)
        assert server.requests == []


def test_an_unreadable_certificate_authority_is_reported(plan: Plan) -> None:
    ufm = plan.site.ufm.model_copy(update={"ca_file": plan.site.ufm.ca_file and plan.site.ufm.ca_file.parent})
    with pytest.raises(pulumi.RunError, match=r"ufm\.caFile: can't read"):
        local.ufm_ca(ufm)


def test_a_file_that_is_no_text_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "ca.der"
    file.write_bytes(bytes.fromhex("308201f0a003020102"))
    with pytest.raises(pulumi.RunError, match=r"ufm\.caFile: found '.*', which is no text; write a file in PEM format"):
        local.read("ufm.caFile", file)
