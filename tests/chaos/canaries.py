"""Secrets with unique values, and the search for them in streams, files, environments and command lines."""

import base64
import json
import re
import secrets
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab import addresses
from tests.chaos.runs import Project

CONFIGURED = ("ufmPassword", "ufmLicense", "ipmiPassword", "registryPassword", "sshKeyPassphrase")
"""Secrets of the configuration that get a canary."""
SHORTEST = 8
"""Characters of a line of a secret from which on it is searched for."""


@dataclass(frozen=True)
class Place:
    """Where a secret legitimately lies below the lab's folder."""

    path: str
    """Regular expression of the whole path, relative to `.lab`."""
    secrets: str
    """Regular expression of the names of the secrets."""
    reason: str
    mode: str = ".00"
    """Regular expression of the last three octal digits of the mode: by default nobody but the owner has access."""


PLACES: tuple[Place, ...] = ()

ENVIRONMENTS: tuple[tuple[str, str], ...] = ()
"""Regular expression for a find of the sampler, with the reason why the secret is there."""


def new() -> dict[str, str]:
    """Return a value per secret that occurs nowhere else."""
    return {name: f"Canary{name[:4].capitalize()}{secrets.token_hex(8)}" for name in CONFIGURED}


def generated(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that a deployment generates, from a state exported with `--show-secrets`."""
    found = dict[str, str]()
    for resource in state["deployment"]["resources"]:
        if resource["type"].endswith("ufm:index:AccessToken"):
            found["token"] = _plain(resource["outputs"]["token"])
        elif resource["type"] == "pulumi:providers:openstack" and "password" in resource["inputs"]:
            found["cloud"] = _plain(resource["inputs"]["password"])
        elif resource["type"] == "openstack:compute/keypair:Keypair":
            found["guestKey"] = _plain(resource["outputs"]["privateKey"])
    return found


def _plain(value: Any) -> str:
    return str(json.loads(value["plaintext"]) if isinstance(value, dict) else value)


def forms(value: str) -> set[str]:
    """Return the texts by which a secret is recognised: its lines, URL-encoded, in JSON, in Base64 at any offset."""
    found = {json.dumps(value)[1:-1]}
    for line in value.splitlines():
        found |= {line.strip(), quote(line.strip(), safe=""), *_base64(line.strip())}
    return {form for form in found if len(form) >= SHORTEST and "PRIVATE KEY" not in form}


def _base64(text: str) -> Iterable[str]:
    """Yield what is common to Base64 of every text that contains this one, per offset modulo three."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text.encode()).decode().rstrip("=")
        yield encoded[0 if not before else before + 1 : len(encoded) - 1]


class Search:
    """Finds secrets."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)
        self._names = {form: name for name, value in values.items() for form in forms(value)}
        longest = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in longest).encode())

    def within(self, data: bytes) -> set[str]:
        """Return the names of the secrets that the data contains."""
        return {self._names[found.decode()] for found in self._pattern.findall(data)}

    def files(self, folder: Path, *, skip: Iterable[str] = ()) -> dict[Path, set[str]]:
        """Return each file below the folder that contains secrets, with their names. `skip`: names of folders."""
        patterns = "\n".join(self._names)
        words = ["grep", "--recursive", "--files-with-matches", "--binary-files=text", "--fixed-strings", "--file=-"]
        words += ["--devices=skip", "--null", *(f"--exclude-dir={name}" for name in skip), str(folder)]
        done = subprocess.run(words, input=patterns.encode(), stdout=subprocess.PIPE, check=False)
        found = (Path(name.decode()) for name in done.stdout.split(b"\0") if name)
        return {file: self.within(file.read_bytes()) for file in found if file.exists()}


class Sampler:
    """Looks at the command lines and environments of all processes of this machine."""

    def __init__(self, values: Mapping[str, str], earlier: "Sampler | None" = None) -> None:
        """Search for these values. `earlier`: a sampler whose finds and samples are included."""
        self._search = Search(values)
        self.leaks: set[str] = set(earlier.leaks) if earlier else set()
        """`cmdline of PROGRAM: SECRET` or `environ of PROGRAM: SECRET`."""
        self.samples: int = earlier.samples if earlier else 0

    def __call__(self) -> None:
        """Take a sample."""
        self.samples += 1
        for process in Path("/proc").glob("[0-9]*"):
            for kind in ("cmdline", "environ"):
                self._look(process, kind)

    def _look(self, process: Path, kind: str) -> None:
        try:
            data = (process / kind).read_bytes()
            program = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return  # it has ended
        for name in self._search.within(data):
            self.leaks.add(f"{kind} of {program[:120]}: {name}")


def unlisted(leaks: Iterable[str]) -> list[str]:
    """Return the finds of a sampler that are not in `ENVIRONMENTS`."""
    return sorted(leak for leak in leaks if not any(re.fullmatch(pattern, leak) for pattern, _ in ENVIRONMENTS))


def leaked_files(search: Search) -> list[str]:
    """Return the files below the lab's folder that have a secret without being a `Place` for it, or are readable."""
    found = search.files(addresses.STATE, skip=("venv", "pristine"))
    lines = list[str]()
    for file, names in sorted(found.items()):
        path, mode = str(file.relative_to(addresses.STATE)), f"{stat.S_IMODE(file.stat().st_mode):04o}"
        for name in sorted(names):
            place = next((p for p in PLACES if re.fullmatch(p.path, path) and re.fullmatch(p.secrets, name)), None)
            if place is None:
                lines.append(f"{path} ({mode}) contains {name}")
            elif not re.fullmatch(place.mode, mode[-3:]):
                lines.append(f"{path} contains {name} and has mode {mode}")
    return lines


def leaked_state(project: Project, search: Search) -> list[str]:
    """Return the files of the backend, including backups and history, that contain a secret."""
    return [f"{file}: {sorted(names)}" for file, names in search.files(project.backend).items()]
