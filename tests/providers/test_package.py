"""providers/ufm is a separate package: its imports, texts, README and wheel."""

import ast
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from providers import ufm
from providers.ufm.plugin import HANDLERS, VERSION, struct
from tests.providers.conftest import ROOT

PACKAGE = ROOT / "providers/ufm"
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
README = (PACKAGE / "README.md").read_text()
MODULES = sorted(PACKAGE.glob("*.py"))
TEXTS = sorted(path for path in PACKAGE.iterdir() if path.is_file())

OF_PULUMI = {"pulumi", "grpc", "google"}
"""The SDK, and the libraries of its protocol stubs, which it requires itself."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_its_package_requests_and_pulumi(module: Path) -> None:
    allowed = {"requests", *OF_PULUMI, *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= allowed
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or (node.level == 0 and str(node.module).partition(".")[0] in allowed)


def test_the_dependencies_are_pulumi_and_requests() -> None:
    assert {re.split(r"[<>=~]", requirement)[0] for requirement in PROJECT["dependencies"]} == {"pulumi", "requests"}


def rack_keys() -> set[str]:
    """Return the keys and secrets of the rack's configuration, from its reference page."""
    rows = re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    return {key for key in rows if re.search(r"[a-z][A-Z]|\.", key)}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_no_text_refers_to_the_rack(path: Path) -> None:
    """Texts contain no key of its configuration, no file of it, and no step of its deployment guide."""
    text, keys = path.read_text(), rack_keys()
    assert {"ufm.caFile", "ufmPassword", "ufm.tokenGeneration"} <= keys
    own = {"caFile", "previousPassword"}  # the provider's inputs on the wire
    named = {key for key in keys if re.search(rf"(?<![\w.]){re.escape(key)}(?!\w)", text)} - own
    assert named == set()
    assert not re.search(r"\brack\b|docs/|guide step|\([A-Z]\d{1,2}\)", text)


def test_package_and_plugin_have_one_version() -> None:
    assert PROJECT["version"] == VERSION


@pytest.mark.parametrize(
    "resource", [ufm.Provider, ufm.PKey, ufm.PKeyGate, ufm.PKeyOwner, ufm.AccessToken, ufm.AdminPassword]
)
def test_the_readme_documents_every_input_and_output(resource: type) -> None:
    section = re.split(r"\n### ", README.partition(f"### `{resource.__name__}`")[2])[0]
    inputs = set(inspect.signature(resource).parameters) - {"name", "opts"}
    assert inputs
    assert inputs | set(inspect.get_annotations(resource)) <= set(re.findall(r"`(\w+)`", section))


# The wheel


@pytest.fixture
def plugin(installed: Path, tmp_path: Path) -> Iterator[Any]:
    """Yield a gRPC stub of the plugin program in an installed wheel, outside the repository."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    process = subprocess.Popen(
        [installed / "bin/pulumi-resource-ufm", "127.0.0.1:1"], cwd=tmp_path, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_wheel_contains_only_the_modules(installed: Path) -> None:
    files = {path.name for path in (installed / "pulumi_ufm").iterdir() if path.name != "__pycache__"}
    assert files == {path.name for path in MODULES} | {"py.typed"}
    (metadata,) = installed.glob("pulumi_ufm-*.dist-info/METADATA")
    assert README.splitlines()[0] in metadata.read_text(), "the README is the package's description"


def test_an_installed_plugin_answers(plugin: Any) -> None:
    assert plugin.GetPluginInfo(Empty()).version == PROJECT["version"]
    settings = {"address": "127.0.0.1", "password": "canary_1"}
    plugin.Configure(provider_pb2.ConfigureRequest(args=struct(settings)))
    for token in HANDLERS:
        urn = f"urn:pulumi:test::project::{token}::name"
        inputs = {"pkey": "0x0", "members": {"a/1": "b8599f0300b00011"}, "generation": 0}
        checked = plugin.Check(provider_pb2.CheckRequest(urn=urn, news=struct(inputs)))
        wrong = ["owner", "pkeys"] if "Owner" in token else ["pkey"] if "PKey" in token else ["generation"]
        assert [failure.property for failure in checked.failures] == wrong


def test_an_installed_package_exports_the_same_names(installed: Path) -> None:
    program = "import pulumi_ufm; print(pulumi_ufm.__file__, *sorted(pulumi_ufm.__all__))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd="/", env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(installed / "pulumi_ufm/__init__.py"), *sorted(ufm.__all__)]
