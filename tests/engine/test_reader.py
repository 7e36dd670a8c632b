"""The reader of stack files compared with Pulumi's own, gopkg.in/yaml.v3: `pulumi config` on the same file."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.build import environment
from rack.site import stack_file

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

SCALARS = [
    "0o11", "0O11", "0x1f", "0X1F", "0b11", "0B11", "+0x1f", "-0b1", "0x", "0o8", "0b2", "1_000", "1__0", "_1", "1_",
    "yes", "no", "on", "off", "y", "true", "True", "TRUE", "tRUE", "~", "null", "Null", "nULL", "''", "!!str true",
    "1e3", "1E3", "1e+3", "1.5e3", "12e03", "1.", "0.", ".5", "+.5", "00.5", "1.0", "1.10", "1e-5", "6.02e23", "1e400",
    "1e21", "1e20", "0.30000000000000004", "12345678901234567890.5", "-0", "+1", "123456789012345678",
    "99999999999999999999", "9007199254740993", "'011'", "1:30", "52:54:00:00:00:11", "22-01-01", "2022-13", "1,000",
    "1e3x", "inf", ".", "+.", "=", "{}", "[]", "[a: b]", "!!int 5", "!!float 1", "&a 5", "a#b", "'a''b'", "x y", "a: b",
]  # fmt: skip
"""Both read the same."""
DOCUMENTS = [
    "a: &a {x: 1}\nb:\n  <<: *a\n  y: 2",
    "a: &a {x: 1}\nb:\n  <<: *a\n  x: 2",
    "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nc:\n  <<: [*a, *b]",
    "a: &a [1, {b: c}]\nb: *a",
    "a: >\n  x\n  y\nb: |-\n  z",
    "? a\n: 1",
    "yes: 1\nno: 2",
    "a:\nb: ''",
    "a: 7 \t# a tabulator",
    "a: x\ty",
]
"""Mappings that both read the same."""
REFUSED = [
    "a: 1\na: 2", "a: {k: 1, k: 2}", "a: 1\n'a': 2", "a: &a {}\nb:\n  <<: *a\n  <<: *a", "a:\n  <<: text", "a: *x",
    "? [a]\n: 1", "a: !!int x", "a: !!bool yes", "a: !!null x", "a: .inf", "a: .NaN", "a: @x", "a: b: c", "\ta: 1",
    'a: "\\ud800"',
]  # fmt: skip
"""Both refuse them."""
STRICTER = [
    "a: 011", "a: 089", "a: 2022-03-01", "a: 2022-3-1 1:1:1", "2022-03-01: 1", "8: 1", "true: 1", "~: 1", "a: !x 1",
    "a: !!binary aGVsbG8=", 'a: "\\x01"', "a: {k:,o: v}",
]  # fmt: skip
"""Refused here, because Pulumi reads them differently than they look."""


class Engine:
    """A project with one stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "Pulumi.yaml").write_text("name: rack\nruntime: python\n")
        (folder / "backend").mkdir()
        self._run("stack", "init", "dev", "--secrets-provider=passphrase")
        self._salt = (folder / "Pulumi.dev.yaml").read_text()

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        backend = (self._folder / "backend").as_uri()
        variables = {"PULUMI_BACKEND_URL": backend, "PULUMI_CONFIG_PASSPHRASE": "x"}
        command = ["pulumi", *arguments, "--non-interactive"]
        env = {**os.environ, **environment(), **variables}
        return subprocess.run(command, cwd=self._folder, env=env, capture_output=True, text=True, check=False)

    def read(self, site: str) -> Any:
        """Return the value of `rack:site` as the program gets it; None if Pulumi refuses the file."""
        (self._folder / "Pulumi.dev.yaml").write_text(self._salt + stack_text(site))
        done = self._run("config", "--json", "--stack=dev")
        return json.loads(json.loads(done.stdout)["rack:site"]["value"]) if done.returncode == 0 else None


def stack_text(site: str) -> str:
    return "config:\n  rack:site:\n" + "".join(f"    {line}\n" for line in site.splitlines())


def ours(site: str) -> Any:
    return stack_file.read(stack_text(site).encode())["config"]["rack:site"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(tmp_path_factory.mktemp("engine"))


def typed(value: Any) -> str:
    """The value with its types: 1 is not 1.0, and not true. The engine sorts keys."""
    return json.dumps(value, sort_keys=True)


def test_scalars_and_documents_are_read_alike(engine: Engine) -> None:
    scalars = [f"- {text}" if ": " not in text or text[0] in "[{" else f"- {{{text}}}" for text in SCALARS]
    documents = ["\n".join(f"  {line}" for line in text.splitlines()) for text in DOCUMENTS]
    site = "\n".join(["scalars:", *scalars, *(f"d{i}:\n{text}" for i, text in enumerate(documents))])
    there, here = engine.read(site), ours(site)
    assert there is not None
    differing = {
        text: (a, b)
        for text, a, b in zip(SCALARS, there["scalars"], here["scalars"], strict=True)
        if typed(a) != typed(b)
    }
    assert differing == {}
    for i, text in enumerate(DOCUMENTS):
        assert typed(there[f"d{i}"]) == typed(here[f"d{i}"]), text


@pytest.mark.parametrize("site", REFUSED)
def test_files_that_pulumi_refuses_are_refused(engine: Engine, site: str) -> None:
    assert engine.read(site) is None
    with pytest.raises(stack_file.StackFileError):
        ours(site)


@pytest.mark.parametrize("site", STRICTER)
def test_values_that_pulumi_reads_differently_than_written_are_refused(engine: Engine, site: str) -> None:
    assert engine.read(site) is not None
    with pytest.raises(stack_file.StackFileError):
        ours(site)
