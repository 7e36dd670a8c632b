"""The builder: which engine it selects, its error messages, and that it builds nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine import build

pytestmark = pytest.mark.engine


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of engine/ in a project without .engine/."""
    shutil.copytree(build.SOURCES, tmp_path / "checkout/engine", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "checkout"


def run_build(checkout: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, checkout / "engine/build.py", *arguments],
        env={**{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def plain_path() -> str:
    """Return PATH without the engine that the tests use."""
    return os.pathsep.join(folder for folder in os.get_exec_path() if Path(folder) != build.BIN)


def test_second_build_does_nothing_in_no_time() -> None:
    before = os.times()
    done = run_build(build.ROOT, PATH=plain_path())
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")
    took = after.children_user + after.children_system - before.children_user - before.children_system
    assert took < 2, "processor time in seconds; usually 0.2"


def test_fingerprint_depends_on_the_sources(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = build.find_go() or build.install_go()
    monkeypatch.setattr(build, "SOURCES", checkout / "engine")
    programs = {program.module: program for program in build.PROGRAMS}
    before = {module: build.fingerprint(program, go) for module, program in programs.items()}
    assert len(set(before.values())) == len(programs)
    with (checkout / "engine/command/main.go").open("a") as source:
        source.write("// changed\n")
    (checkout / "engine/command/new_test.go").write_text("package main\n")
    after = {module: build.fingerprint(program, go) for module, program in programs.items()}
    assert [module for module in programs if before[module] != after[module]] == ["command"]


@pytest.mark.parametrize("version", ["v3.150.0", "v4.0.0", "dev"])
def test_released_pulumi_out_of_range_is_rejected(checkout: Path, tmp_path: Path, version: str) -> None:
    found = script(tmp_path / "released/pulumi", f"echo {version}")
    done = run_build(checkout, PATH=f"{found.parent}:/usr/bin:/bin")
    assert done.returncode == 1
    assert f"{found} is {version}; supported is >= 3.200.0 and < 4.0.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_released_pulumi_without_language_host_is_rejected(checkout: Path, tmp_path: Path) -> None:
    found = script(tmp_path / "released/pulumi", "echo v3.259.0")
    done = run_build(checkout, PATH=f"{found.parent}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "has no pulumi-language-python beside it" in done.stderr


def test_released_pulumi_is_used(checkout: Path, tmp_path: Path) -> None:
    """The programs built here act as the released ones; the plugins are already installed."""
    released = tmp_path / "released"
    shutil.copytree(build.BIN, released, copy_function=os.link)
    environment = {"PATH": f"{released}:/usr/bin:/bin", "PULUMI_HOME": str(build.HOME)}
    done = run_build(checkout, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"engine: using {released}/pulumi\n"
    assert not list((checkout / ".engine").glob("bin/*"))
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in run_build(checkout, "env", **environment).stdout


def test_missing_plugins_of_a_released_pulumi_stay_out_of_the_users_home(checkout: Path, tmp_path: Path) -> None:
    """By download, or, where that is impossible (as is likely here), by a build, into a PULUMI_HOME of our own."""
    released, home = tmp_path / "released", tmp_path / "home"
    shutil.copytree(build.BIN, released, copy_function=os.link)
    environment = {"PATH": f"{released}:{plain_path()}", "PULUMI_HOME": str(home)}
    done = run_build(checkout, **environment)
    assert done.returncode == 0, done.stderr
    assert "downloading the openstack plugin" in done.stderr
    own = checkout / ".engine/home"
    for name, version in build.PLUGINS.items():
        product = f"plugins/resource-{name}-v{version}/pulumi-resource-{name}"
        assert (own / product).exists()
        assert not (home / product).exists()
    assert f"export PULUMI_HOME={own}" in run_build(checkout, "env", **environment).stdout


def test_stand_ins_are_built_beside_released_plugins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The tests of the stand-ins never test a released plugin by mistake."""
    built: list[Path] = []
    monkeypatch.setattr(build, "ENGINE", tmp_path)
    monkeypatch.setattr(build, "HOME", tmp_path / "home")
    monkeypatch.setattr(build, "build_programs", lambda go, programs, home: built.append(home))
    assert build.stand_ins() == tmp_path / "stand-ins"
    stamp = build.stamp_of(build.product_of(build.STAND_INS[0], tmp_path / "home"))
    stamp.parent.mkdir(parents=True)
    stamp.touch()
    assert build.stand_ins() == tmp_path / "home"
    assert built == [tmp_path / "stand-ins", tmp_path / "home"]


def test_without_pulumi_go_and_pip_the_error_says_what_to_install(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)  # no .venv there
    monkeypatch.setattr(build, "find_go", lambda: None)
    monkeypatch.setattr(sys, "executable", str(script(tmp_path / "python", "echo no pip >&2; exit 1")))
    with pytest.raises(build.EngineError) as error:
        build.install_go()
    assert str(error.value).startswith("Found neither a released pulumi nor a usable Go")
    for says in ("no pip", "Pulumi 3.200.0", "Go 1.25.11", "GOTOOLCHAIN=go1.26.6", "python3-pip"):
        assert says in str(error.value)


def test_too_old_go_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = script(tmp_path / "go", "echo go1.19.8")
    monkeypatch.setattr(build, "ENGINE", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert build.find_go() != old
    script(tmp_path / "go", "echo go1.25.11")
    assert build.find_go() == old


def test_environment_can_be_evaluated_twice(tmp_path: Path) -> None:
    once = build.environment({"PATH": "/usr/bin"})
    assert once == build.environment(once)
    assert once["PATH"].split(os.pathsep) == [str(build.ROOT / ".venv/bin"), str(build.BIN), "/usr/bin"]
    printed = subprocess.run(
        ["/bin/sh", "-c", f'eval "$({sys.executable} {build.SOURCES}/build.py env)"; env'],
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {f"{name}={value}" for name, value in once.items()} <= set(printed)


def test_environment_keeps_what_the_user_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "BIN", tmp_path / "bin")
    monkeypatch.setattr(build, "HOME", tmp_path / "home")
    mine = {"PATH": "", "PULUMI_HOME": "/mine", "PULUMI_BACKEND_URL": "s3://mine"}
    assert {**build.environment(mine), "PATH": ""}.items() >= mine.items()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pulumi").touch()  # built here, and so are its plugins
    assert build.environment(mine)["PULUMI_HOME"] == str(tmp_path / "home")
