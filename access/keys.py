"""The operator's private keys: do they have a passphrase, and does the SSH agent that holds them answer."""

import base64
import socket

import pulumi

SHOWN = pulumi.ResourceHookOptions(on_dry_run=True)
"""A hook runs in a preview, too."""
OPENSSH = b"openssh-key-v1\0"
"""The first bytes of a private key in OpenSSH's format (PROTOCOL.key)."""


def encrypted(key: str) -> bool:
    """Return whether a private key has a passphrase. A key in OpenSSH's format starts with the name of its cipher."""
    if "ENCRYPTED" in key:
        return True
    body = "".join(line for line in key.splitlines() if not line.startswith("-"))
    try:
        blob = base64.b64decode(body)
    except ValueError:
        return False
    return blob.startswith(OPENSSH) and not blob.startswith(OPENSSH + b"\0\0\0\4none")


def check_agent(path: str) -> None:
    """Fail if `path`, the value of SSH_AUTH_SOCK, names a socket without a listener.

    Raises:
        RunError: pulumi-command would fail every connection (docs/command-plugin.md, S2).
    """
    if not path:
        return
    with socket.socket(socket.AF_UNIX) as agent:
        try:
            agent.connect(path)
        except OSError as error:
            reason = f"SSH_AUTH_SOCK is {path}, where no SSH agent answers ({error.strerror})"
            raise pulumi.RunError(f"{reason}; start one, or run: unset SSH_AUTH_SOCK") from None


class NoAgentError(Exception):
    """The program `ssh` would ask for the passphrase of a key. The text says what to do."""


def agent_hooks(file: str, needed: bool) -> pulumi.ResourceHookBinding | None:
    """Return hooks for a step whose program `ssh` uses the key, and for steps before it; None if nothing can fail.

    They refuse to create or update the step, in a preview too. A step that has been done needs no agent any more.

    Args:
        file: of the key, for the message.
        needed: the key has a passphrase, and SSH_AUTH_SOCK names no agent.
    """
    if not needed:
        return None

    def refuse(args: pulumi.ResourceHookArgs) -> None:
        raise NoAgentError(
            f"{args.name}: ssh.privateKeyFile: {file} has a passphrase, and SSH_AUTH_SOCK names no SSH agent; "
            "the program `ssh`, which fetches built images, cannot enter a passphrase; "
            f'start an agent (eval "$(ssh-agent)") and load the key into it (ssh-add {file})'
        )

    hook = pulumi.ResourceHook("SSH agent for built images", refuse, SHOWN)
    return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
