"""The stack's state: the steps on hosts that `up` has run, and every secret, so that none is shown."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from access.ssh import RUNNER

COMMAND, STACK = "command:remote:Command", "pulumi:pulumi:Stack"
SECRET, MARK = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""Key and value that mark a secret in a state (pulumi/sdk: resource.SigKey, resource.SecretSig)."""
SHORTEST = 6
"""Characters of the shortest text that is treated as a secret: shorter ones would hide ordinary words."""
HEADER = "# rack: stack "
"""How the rack's documents begin (`rack.tripleo.header`)."""
NAMES = r"passw(?:or)?d|token|secret|credential|(?:private|license|access).?key"
CREDENTIAL = re.compile(NAMES, re.IGNORECASE)
"""Names of credentials."""
CREDENTIAL_LINE = re.compile(rf"^(.*(?:{NAMES})\w*['\"]?[ \t]*[:=][ \t]*)(\S.*)$", re.IGNORECASE | re.MULTILINE)
"""A line of a document that sets a credential."""
RANDOM = re.compile(r"[A-Za-z0-9+/=_-]{40,}")
"""A long text without blanks: it may be a key."""
ORDINARY = frozenset({"host", "user", "port", "hostKey", "dialErrorLimit", "perDialTimeout"})
"""Keys of a connection that are no secrets, although the whole connection is marked."""


class StateError(Exception):
    """There is no state to compare with. The text says what to do."""


@dataclass(frozen=True)
class Step:
    """A step on a host."""

    name: str
    address: str
    """Of the host that is entered."""
    script: str
    """What ran there as root, without the words that make it run again or as root."""
    job: Sequence[str]
    """The command of a job; empty for other steps."""
    given: str
    """Its standard input."""
    secret: bool
    """The standard input is a secret."""
    printed: str
    """Its standard output."""
    at: str
    """When it ran last, as Pulumi writes it; empty if the state does not have it."""


@dataclass(frozen=True)
class State:
    """What is known of the stack."""

    steps: Mapping[str, Step]
    secrets: frozenset[str]
    """Texts that must not be shown."""
    outputs: Mapping[str, Any]
    """Outputs of the stack. They contain secrets."""
    running: bool
    """An operation was interrupted, or is under way: the state is not complete."""


def exported(command: Sequence[str]) -> Any:
    """Return what `pulumi stack export` prints. `command`: the program with options for the stack.

    Raises:
        StateError: it fails.
    """
    words = [*command, "stack", "export", "--show-secrets"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise StateError('found no `pulumi` on PATH; run: eval "$(make -s env)"') from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StateError(f"`pulumi stack export` fails: {said}")
    return json.loads(done.stdout)


def parse(document: Mapping[str, Any]) -> State:
    """Read an exported state.

    Raises:
        StateError: the stack has no steps.
    """
    deployment = document.get("deployment") or {}
    resources = deployment.get("resources") or []
    secrets = {text for resource in resources for text in _secrets(resource)}
    steps = [_step(resource) for resource in resources if resource["type"] == COMMAND and not resource.get("delete")]
    if not steps:
        raise StateError("the stack has deployed nothing; run `pulumi up` first")
    stacks = [resource for resource in resources if resource["type"] == STACK]
    return State(
        steps={step.name: step for step in steps},
        secrets=frozenset(secrets),
        outputs=plain(stacks[0].get("outputs") or {}) if stacks else {},
        running=bool(deployment.get("pending_operations")),
    )


def _step(resource: Mapping[str, Any]) -> Step:
    inputs, outputs = resource.get("inputs") or {}, resource.get("outputs") or {}
    script, job = _plain_script(str(plain(inputs.get("create")) or ""))
    given = inputs.get("stdin")
    return Step(
        name=resource["urn"].rpartition("::")[2],
        address=str((plain(inputs.get("connection")) or {}).get("host")),
        script=script,
        job=job,
        given=str(plain(given) or ""),
        secret=is_secret(given),
        printed=str(plain(outputs.get("stdout")) or ""),
        at=str(resource.get("modified") or ""),
    )


def _plain_script(create: str) -> tuple[str, Sequence[str]]:
    """Return a step's script, and its job's command if it is a job."""
    text = create
    if text.startswith("sudo -n sh -c "):
        text = shlex.split(text)[4]
    text = re.sub(r"\A: repair \d+\n", "", text)
    words = shlex.split(text) if text.startswith(f"{RUNNER} run ") else []
    return text, words[3:]


def is_secret(value: Any) -> bool:
    """Return whether a value of the state is a secret."""
    return isinstance(value, Mapping) and value.get(SECRET) == MARK


def plain(value: Any) -> Any:
    """Return a value without the marks of secrets, at any depth."""
    if isinstance(value, Mapping):
        if is_secret(value):
            return plain(json.loads(value["plaintext"]))
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def _secrets(value: Any, key: str = "", *, secret: bool = False) -> Iterator[str]:
    """Yield the texts in a value of the state that must not be shown. `key`: the value's own."""
    if is_secret(value):
        yield from _secrets(json.loads(value["plaintext"]), key, secret=True)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in ORDINARY:
                yield from _secrets(inner, name, secret=secret)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, key, secret=secret)
    elif secret and isinstance(value, str):
        yield from (text for text in _texts(value, key) if len(text) >= SHORTEST)


def _texts(text: str, key: str) -> Iterator[str]:
    """Yield what is secret in a secret text: all lines of a file or a credential; else credentials and keys in it.

    An output is wholly secret as soon as it may have a secret somewhere, and most of its words are ordinary ones.
    """
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    whole = (key == "stdin" and not text.startswith(HEADER)) or CREDENTIAL.search(key)
    if isinstance(document, dict | list):
        yield from _credentials(document)
    elif whole:
        yield from (line.strip() for line in text.splitlines())
    else:
        yield from (found[2].strip().strip("'\"") for found in CREDENTIAL_LINE.finditer(text))
        yield from (line.strip() for line in text.splitlines() if RANDOM.fullmatch(line.strip()))


def _credentials(document: Any, named: bool = False) -> Iterator[str]:
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _credentials(value, bool(CREDENTIAL.search(key)))
    elif isinstance(document, list):
        for value in document:
            yield from _credentials(value, named)
    elif named and isinstance(document, str):
        yield document
