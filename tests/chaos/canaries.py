"""Secrets with unique values, and the search for them in streams, files, environments and command lines."""

import base64
import json
import re
import secrets
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import snapshot
from harness.runs import Project
from lab import addresses

CONFIGURED = ("ufmPassword", "ufmLicense", "ipmiPassword", "registryPassword", "sshKeyPassphrase")
"""Secrets of the configuration that get a canary."""
PUBLIC = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]+-----")
"""Header and footer of a PEM document."""
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


NODES = r"hosts/(controller|compute)-\d"
PLACES = (
    Place("cloud/passwords.json", "cloud", "the lab's cloud generates its passwords"),
    Place("cloud/(data/overcloud.json|etc/neutron/ml2_conf.ini)", "token", "the lab's neutron-server"),
    Place("ufm/state.json", "token", "the lab's UFM; passwords are hashed"),
    Place(rf"{NODES}/state.json", "ipmiPassword", "the lab's BMCs"),
    Place("hosts/ufm/root/home/ubuntu/UFM_lic/mlnx-ufm.lic", "ufmLicense", "input of UFM's installer (U6)"),
    Place("hosts/ufm/root/var/ufm_files/licenses/mlnx-ufm.lic", "ufmLicense", "copy of UFM's installer"),
    Place("hosts/undercloud/root/home/stack/instackenv.json", "ipmiPassword", "the inventory of ironic (C6)"),
    Place("hosts/undercloud/root/home/stack/overcloudrc", "cloud", "written by TripleO"),
    Place(
        "hosts/undercloud/root/home/stack/templates/IB/VM/containers-registry-ib-vm.yaml",
        "registryPassword",
        "the login at the containers' registry (C3)",
    ),
    Place(
        "hosts/undercloud/root/home/stack/templates/IB/VM/neutron-ml2-mlnx-sdn-vm.yaml",
        "token",
        "Neutron's document (O4)",
    ),
    Place(
        rf"{NODES}/root/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini",
        "token",
        "Neutron's configuration: written by puppet-neutron with this mode (docs/operations.md)",
        "640",
    ),
)

ENVIRONMENTS = (
    (
        r"environ of \S*python\S* \S*/pulumi-language-python-exec .*: \w+",
        "Pulumi's Python language host passes the configuration in PULUMI_CONFIG "
        "(sdk/python/cmd/pulumi-language-python/main.go)",
    ),
)
"""Regular expression for a find of the sampler, with the reason why the secret is there."""


def new() -> dict[str, str]:
    """Return a value per secret that occurs nowhere else."""
    return {name: f"Canary{name[:4].capitalize()}{secrets.token_hex(8)}" for name in CONFIGURED}


def generated(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the secrets that a deployment generates, from a state exported with `--show-secrets`.

    Of a private key only the second half: the first one contains the modulus, which the public key contains, too.
    """
    found = dict[str, str]()
    for resource in state["deployment"]["resources"]:
        if resource["type"].endswith("ufm:index:AccessToken"):
            found["token"] = _plain(resource["outputs"]["token"])
        elif resource["type"] == "pulumi:providers:openstack" and "password" in resource["inputs"]:
            found["cloud"] = _plain(resource["inputs"]["password"])
        elif resource["type"] == "openstack:compute/keypair:Keypair":
            lines = _plain(resource["outputs"]["privateKey"]).splitlines()
            found["guestKey"] = "\n".join(lines[len(lines) // 2 :])
    return found


def _plain(value: Any) -> str:
    return str(json.loads(value["plaintext"]) if isinstance(value, dict) else value)


def forms(value: str) -> set[str]:
    """Return the texts by which a secret is recognised: its lines, URL-encoded, in JSON, in Base64 at any offset.

    The lines of a PEM document that say what it is are public, in each of these forms.
    """
    lines = [line.strip() for line in value.splitlines() if not PUBLIC.fullmatch(line.strip())]
    found = {json.dumps("\n".join(lines))[1:-1]}
    for line in lines:
        found |= {line, quote(line, safe=""), *_base64(line)}
    return {form for form in found if len(form) >= SHORTEST}


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
        self._seen = set[tuple[str, bytes]]()
        self.leaks: set[str] = set(earlier.leaks) if earlier else set()
        """`cmdline of PROGRAM: SECRET` or `environ of PROGRAM: SECRET`."""
        self.samples: int = earlier.samples if earlier else 0

    def __call__(self) -> None:
        """Take a sample."""
        self.samples += 1
        for process in Path("/proc").glob("[0-9]*"):
            self._look(process)

    def _look(self, process: Path) -> None:
        """Search a process that has not been searched under its command line: a program's environment is fixed."""
        try:
            command = (process / "cmdline").read_bytes()
            if (process.name, command) in self._seen:
                return
            environment = (process / "environ").read_bytes()
        except OSError:
            return  # it has ended
        self._seen.add((process.name, command))
        program = command.replace(b"\0", b" ").decode(errors="replace")[:120]
        for kind, data in (("cmdline", command), ("environ", environment)):
            self.leaks |= {f"{kind} of {program}: {name}" for name in self._search.within(data)}


def unlisted(leaks: Iterable[str]) -> list[str]:
    """Return the finds of a sampler that are not in `ENVIRONMENTS`."""
    return sorted(leak for leak in leaks if not any(re.fullmatch(pattern, leak) for pattern, _ in ENVIRONMENTS))


def secret_files(search: Search) -> Iterator[tuple[str, str, str]]:
    """Yield path, last digits of the mode, and secret of each file below the lab's folder that has one."""
    for file, names in sorted(search.files(addresses.STATE, skip=("venv", "pristine")).items()):
        mode = f"{stat.S_IMODE(file.stat().st_mode):04o}"
        for name in sorted(names):
            yield str(file.relative_to(addresses.STATE)), mode, name


def place_of(path: str, secret: str) -> Place | None:
    """Return the place that permits a secret in a file."""
    return next((p for p in PLACES if re.fullmatch(p.path, path) and re.fullmatch(p.secrets, secret)), None)


def leaked_files(search: Search) -> list[str]:
    """Return the files below the lab's folder that have a secret without being a `Place` for it, or are readable."""
    lines = list[str]()
    for path, mode, secret in secret_files(search):
        place = place_of(path, secret)
        if place is None:
            lines.append(f"{path} ({mode}) contains {secret}")
        elif not re.fullmatch(place.mode, mode[-3:]):
            lines.append(f"{path} contains {secret} and has mode {mode}")
    return lines


def unused_places(search: Search) -> list[str]:
    """Return the places where no file has a secret."""
    used = {place_of(path, secret) for path, _, secret in secret_files(search)}
    return [place.path for place in PLACES if place not in used]


def leaked_events(events: bytes, search: Search) -> list[str]:
    """Return kind, resource or severity, path and secret of each value of the engine's events that has a secret."""
    found = set[str]()
    for line in filter(search.within, events.splitlines()):
        kinds = {key: value for key, value in json.loads(line).items() if isinstance(value, dict)}
        for kind, content in kinds.items():
            urn = str(content.get("metadata", {}).get("urn", content.get("severity", "")))
            texts = snapshot.flat(content)
            found |= {
                f"{kind} {urn.rpartition('::')[2]} {path}: {name}"
                for path, text in texts
                for name in search.within(f"{path} {text}".encode())
            }
    return sorted(found)


def leaked_state(project: Project, search: Search) -> list[str]:
    """Return the files of the backend, including backups and history, that contain a secret."""
    return [f"{file}: {sorted(names)}" for file, names in search.files(project.backend).items()]
