"""Record the state of the dev stack as a fixture of `test_compatibility.py`.

    python -m tests.engine.record VERSION      after `make up`, in the same checkout

Writes `tests/engine/states/VERSION/`: the stack's configuration, the exported state, and the files that the program
reads beside them (`known_hosts`, UFM's certificate authority). Record one for each released version.

Placeholders replace the lab's private SSH key, UFM's token and the cloud's password; `$HOME` replaces the user's home.
Secrets stay encrypted with the dev stack's passphrase, `lab`.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.build import environment

PROJECT = Path(__file__).resolve().parents[2]
STATES = Path(__file__).with_name("states")
STACK_FILE, STATE_FILE = "Pulumi.dev.yaml", "state.json"

PROGRAM = ("__main__.py", "Pulumi.yaml", "access", "cloud", "components", "onhost", "providers", "rack", ".venv")
"""What the program needs of the checkout, besides a stack's file."""
PRIVATE_KEY = "placeholder for the private SSH key\n"
"""In the states."""
ARMOURED = f"-----BEGIN PRIVATE KEY-----\n{PRIVATE_KEY}-----END PRIVATE KEY-----\n"
"""In the file: the program reads its first line."""
IMAGE_CACHE = ".terraform/image_cache"
"""Below the user's home; a default input of the OpenStack provider's images."""
BESIDE = {"hosts/known_hosts": "known_hosts", "ufm/ca.pem": "ca.pem"}
"""Files that the program reads, in some versions: path below `.lab` → name in the fixture."""

SECRET = "4dabf18193072939515e22adb298388d"
"""The key by which the engine marks a secret in an exported state."""

Stack = Mapping[str, Any]


def pulumi(*arguments: str, cwd: Path = PROJECT, **env: str) -> str:
    """Run `pulumi ARGUMENTS` with the dev stack's passphrase and return its standard output."""
    variables = {**os.environ, **environment(), "PULUMI_CONFIG_PASSPHRASE": "lab", **env}
    command = ["pulumi", *arguments, "--non-interactive", "--color=never"]
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def edited(value: Any, edit: Callable[[str], str]) -> Any:
    """Return the JSON value with every string in it edited, those inside secrets included."""
    if isinstance(value, str):
        return edit(value)
    if isinstance(value, list):
        return [edited(item, edit) for item in value]
    if not isinstance(value, dict):
        return value
    if SECRET in value and "plaintext" in value:
        return {**value, "plaintext": json.dumps(edited(json.loads(value["plaintext"]), edit))}
    return {key: edited(item, edit) for key, item in value.items()}


def outputs(state: Any, name: str) -> dict[str, Any]:
    """Return the outputs of the resource with that name; secrets as they are."""
    found = [r for r in state["deployment"]["resources"] if r["urn"].endswith(f"::{name}")]
    return {
        key: json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value
        for key, value in found[0]["outputs"].items()
    }


def without_secrets(state: Any, private_key: str) -> Any:
    """Return the state with placeholders in place of what belongs to one machine."""
    placeholders = {
        private_key: PRIVATE_KEY,
        outputs(state, "ufm-token")["token"]: "PlaceholderForTheTokenOfUfm",
        outputs(state, "overcloud-admin")["password"]: "PlaceholderForThePassword",
        str(Path.home() / IMAGE_CACHE): f"$HOME/{IMAGE_CACHE}",
    }

    def edit(text: str) -> str:
        for found, placeholder in placeholders.items():
            text = text.replace(found, placeholder)
        return text

    for resource in state["deployment"]["resources"]:
        resource.pop("sourcePosition", None)  # positions in the source, on this machine
        resource.pop("stackTrace", None)
    return edited(state, edit)


def record(version: str) -> Path:
    """Write the fixture of that version and return its folder."""
    stack = yaml.safe_load((PROJECT / STACK_FILE).read_text())["config"]["rack:site"]
    private_key = (PROJECT / stack["ssh"]["privateKeyFile"]).read_text()
    state = without_secrets(json.loads(pulumi("stack", "export", "--show-secrets", "--stack=dev")), private_key)
    folder = STATES / version
    folder.mkdir(parents=True)
    (folder / STACK_FILE).write_text((PROJECT / STACK_FILE).read_text())
    for path, name in BESIDE.items():
        if (PROJECT / ".lab" / path).exists():
            (folder / name).write_text((PROJECT / ".lab" / path).read_text())
    (folder / STATE_FILE).write_text(json.dumps(encrypted(state, folder / STACK_FILE), indent=1) + "\n")
    return folder


def encrypted(state: Any, stack_file: Path) -> Any:
    """Return the state with its secrets encrypted by the stack's passphrase, as the engine does on an import."""
    with tempfile.TemporaryDirectory() as temporary:
        project = Path(temporary)
        (project / "Pulumi.yaml").write_text("name: rack\nruntime: python\n")
        (project / STACK_FILE).write_text(stack_file.read_text())
        backend = {"PULUMI_BACKEND_URL": project.as_uri()}
        pulumi("stack", "init", "dev", "--secrets-provider=passphrase", cwd=project, **backend)
        (project / "plain.json").write_text(json.dumps(state))
        pulumi("stack", "import", "--file=plain.json", "--stack=dev", cwd=project, **backend)
        return json.loads(pulumi("stack", "export", "--stack=dev", cwd=project, **backend))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not re.fullmatch(r"\d+\.\d+\.\d+", sys.argv[1]):
        sys.exit(__doc__)
    print(record(sys.argv[1]))
