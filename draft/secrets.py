"""The secrets of a new stack: commands that set them, or the commands' execution. No secret enters the stack file."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from getpass import getpass
from pathlib import Path

from draft.document import WORDS, Document
from draft.machines import Machines
from draft.options import NewError, Options
from draft.questions import Draft
from rack.site import OCCASIONAL_SECRETS, SECRETS


def announce(draft: Draft, given: Machines, beside: Document, options: Options) -> None:
    """Say how to set the secrets that the stack needs; on a terminal, offer to do it."""
    needed = [key for key in SECRETS if key not in OCCASIONAL_SECRETS and f"rack:{key}" not in beside.get("config", {})]
    if "host" not in draft.site["ufm"]:
        needed = [key for key in needed if key != "ufmLicense"]
    own = _own_passwords(given.passwords, len(draft.site["nodes"]))
    if own:
        needed = [key for key in needed if key != "ipmiPassword"] + list(own)
        print(f"{options.nodes}: its {len(given.passwords)} BMC passwords are not in the stack file")
    commands = [_command(key, options.stack) for key in needed]
    print(
        "\n".join(
            ["secrets to set:", f"  pulumi stack init {options.stack}", *(f"  {' '.join(one)}" for one in commands)]
        )
    )
    if options.interactive and shutil.which("pulumi") and _yes("Set them now"):
        _set(needed, own, options.stack)


def _own_passwords(passwords: Mapping[str, str], nodes: int) -> dict[str, str]:
    """Return the BMC passwords of an inventory by the key of their secret: one for all, or one per node."""
    if len(passwords) == nodes and len(set(passwords.values())) == 1:
        return {"ipmiPassword": next(iter(passwords.values()))}
    return {f"ipmiPasswords.{node}": password for node, password in passwords.items()}


def _command(key: str, stack: str) -> list[str]:
    path = ["--path", f"'{key}'"] if "." in key else [key]
    license_file = ["<", "LICENCE-FILE"] if key == "ufmLicense" else []
    return ["pulumi", "config", "set", "--stack", stack, "--secret", *path, *license_file]


def _yes(text: str) -> bool:
    return WORDS.get(input(f"{text} [no]: ").strip().lower()) is True


def _set(needed: Iterable[str], own: Mapping[str, str], stack: str) -> None:
    """Set the secrets with Pulumi. A value goes to its standard input, never to a command line.

    Raises:
        NewError: a command of Pulumi failed. The file is written.
    """
    _pulumi(["stack", "select", "--create", stack], None)
    for key in needed:
        path = ["--path", key] if "." in key else [key]
        value = own[key] if key in own else _licence() if key == "ufmLicense" else getpass(f"{key}: ")
        if value:
            _pulumi(["config", "set", "--stack", stack, "--secret", *path], value)


def _licence() -> str:
    """Return the text of UFM's licence from a file; empty to skip it."""
    while True:
        name = input("File of UFM's licence, nothing to skip: ").strip()
        try:
            return Path(name).expanduser().read_text() if name else ""
        except OSError as error:
            print(f"  found {name!r}, which cannot be read: {error.strerror}")


def _pulumi(arguments: Sequence[str], value: str | None) -> None:
    done = subprocess.run(["pulumi", *arguments], input=value, text=True)
    if done.returncode:
        raise NewError(
            f"pulumi {' '.join(arguments[:3])} ended with exit status {done.returncode}; run it again by hand"
        )
