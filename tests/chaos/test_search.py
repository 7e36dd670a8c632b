"""The search finds a secret in every form in which it may travel."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import canaries
from tests.chaos.canaries import Sampler, Search

VALUES = {"ufmPassword": "CanaryUfmp0011223344", "license": "first-line-of-it\nsecond/line+of=it"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("password=CanaryUfmp0011223344;", "ufmPassword"),
        (base64.b64encode(b"admin:CanaryUfmp0011223344").decode(), "ufmPassword"),
        (base64.b64encode(b"roots:CanaryUfmp0011223344 ").decode(), "ufmPassword"),
        (base64.b64encode(b"x:CanaryUfmp0011223344").decode(), "ufmPassword"),
        ("second%2Fline%2Bof%3Dit", "license"),
        ("only first-line-of-it", "license"),
    ],
)
def test_a_secret_is_found(text: str, name: str) -> None:
    assert Search(VALUES).within(text.encode()) == {name}


def test_other_text_is_not_found() -> None:
    assert Search(VALUES).within(b"CanaryUfmp001122334 first-line") == set()


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("line", [PEM.splitlines()[0], PEM.splitlines()[-1]])
@pytest.mark.parametrize("before", range(3))
def test_header_and_footer_of_a_key_are_public(line: str, before: int) -> None:
    search = Search({"guestKey": PEM})
    assert search.within(line.encode()) == set()
    assert search.within(base64.b64encode(b"x" * before + line.encode())) == set()


def test_the_content_of_a_key_is_found() -> None:
    assert Search({"guestKey": PEM}).within(PEM.encode()) == {"guestKey"}


def test_an_event_with_a_secret_is_named_with_its_path_but_not_its_value() -> None:
    metadata = {"urn": "urn:pulumi:dev::rack::t:index:T::one", "new": {"outputs": {"password": VALUES["ufmPassword"]}}}
    debug = {"severity": "debug", "message": f"answer: {VALUES['ufmPassword']}"}
    lines = ({"timestamp": 1, "resOutputsEvent": {"metadata": metadata}}, {"diagnosticEvent": debug})
    events = "\n".join(json.dumps(line) for line in lines).encode()
    assert canaries.leaked_events(events, Search(VALUES)) == [
        "diagnosticEvent debug message: ufmPassword",
        "resOutputsEvent one metadata.new.outputs.password: ufmPassword",
    ]


def test_each_file_with_a_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    for name in ("a", "b", "venv/c"):
        (tmp_path / name).write_text(VALUES["ufmPassword"] if name != "b" else "nothing")
    assert Search(VALUES).files(tmp_path, skip=["venv"]) == {tmp_path / "a": {"ufmPassword"}}


@pytest.mark.parametrize("kind", ["cmdline", "environ"])
def test_a_secret_of_a_process_is_seen(kind: str) -> None:
    sampler = Sampler(VALUES)
    words = [
        sys.executable,
        "-c",
        "print(flush=True); input()",
        *([VALUES["ufmPassword"]] if kind == "cmdline" else []),
    ]
    env = {**os.environ, **({"P": VALUES["ufmPassword"]} if kind == "environ" else {})}
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # Popen returns before the kernel shows the new program's command line
        sampler()
        process.communicate(b"\n")
    assert {leak.partition(" ")[0] for leak in sampler.leaks} == {kind}
    assert {leak.rpartition(" ")[2] for leak in sampler.leaks} == {"ufmPassword"}


def test_a_file_with_a_secret_must_be_listed_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, mode in (("listed", 0o600), ("open", 0o644), ("other", 0o600)):
        (tmp_path / name).write_text(VALUES["ufmPassword"])
        (tmp_path / name).chmod(mode)
    monkeypatch.setattr("lab.addresses.STATE", tmp_path)
    monkeypatch.setattr(canaries, "PLACES", (canaries.Place("listed|open", "ufmPassword", "a test"),))
    assert canaries.leaked_files(Search(VALUES)) == [
        "open contains ufmPassword and has mode 0644",
        "other (0600) contains ufmPassword",
    ]
