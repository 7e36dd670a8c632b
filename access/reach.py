"""A host's SSH server is awaited before the first step of a run on the host, with a line about what is wrong.

pulumi-command dials in silence, and names the reason only at its end: up to 10 attempts of 15 s each, and without any
limit where a server accepts the connection and says nothing (docs/command-plugin.md, S4 to S6). So a hook of the engine
precedes every step: it runs before a command is created or updated, and neither in a preview nor where nothing is to be
done. The first hook of a host connects and reads the greeting of its SSH server; the others find that done.

Behind a bastion only the bastion is tried: nothing else can be reached from the machine that runs pulumi.
"""

import asyncio
import contextlib
import os
import time

import pulumi

ATTEMPT_SECONDS = 3.0
"""How long one attempt waits for a connection, and for the greeting."""
QUIET_SECONDS = 3.0
"""After this time, a line says what is being waited for; then again whenever the reason changes."""
LIMIT_SECONDS = 20.0
"""After this time, the step fails. It is short, because after Ctrl-C the engine still waits for a hook. A reboot takes
longer, and is waited for by the step that causes it."""
PAUSE_SECONDS = 1.0
"""Between two attempts."""
GREETING = b"SSH-"
"""How every SSH server begins (RFC 4253, 4.2)."""


class UnreachableHostError(Exception):
    """No SSH server answers. The text names host and reason."""


class Reach:
    """The SSH server of one host, in one run of the program."""

    def __init__(self, address: str, port: int, behind: str = "") -> None:
        """Prepare the hook; nothing is sent.

        Args:
            address: of the SSH server that is reached directly: the host, or its bastion.
            port: of the SSH server.
            behind: the host behind the bastion, for messages.
        """
        self._address, self._port = address, port
        bastion = f"the bastion of {behind}, " if behind else ""
        self._name = f"{bastion}{address}:{port}"
        self._turn = asyncio.Lock()
        self._found: str | None = None
        """Why the server does not answer; empty if it does; None before the first hook."""
        hook = pulumi.ResourceHook(f"SSH to {behind + ' through ' if behind else ''}{address}:{port}", self._before)
        self.hooks = pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
        """For every step on the host."""

    async def _before(self, args: pulumi.ResourceHookArgs) -> None:
        """Wait for the server, once.

        Raises:
            UnreachableHostError: it does not answer within the limit.
        """
        async with self._turn:
            if self._found is None:
                self._found = await self._wait()
        if self._found:
            raise UnreachableHostError(
                f"no SSH server answers at {self._name} within {LIMIT_SECONDS:g} s: {self._found}; "
                "check that the host is up, its sshd, ssh.port, and the route from here; then run pulumi up again"
            )

    async def _wait(self) -> str:
        """Return an empty text once the server answers, or the reason of the last attempt at the time limit."""
        begun, said = time.monotonic(), ""
        while reason := await attempt(self._address, self._port):
            passed = time.monotonic() - begun
            if passed >= LIMIT_SECONDS:
                return reason
            if passed >= QUIET_SECONDS and reason != said:
                pulumi.log.info(f"waiting for SSH at {self._name}: {reason}; for {LIMIT_SECONDS:g} s at most")
                said = reason
            await asyncio.sleep(PAUSE_SECONDS)
        return ""


async def attempt(address: str, port: int) -> str:
    """Return why no SSH server answers at an address, or an empty text if one does."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), ATTEMPT_SECONDS)
    except TimeoutError:
        return f"no answer within {ATTEMPT_SECONDS:g} s (is it up? does a firewall drop packets?)"
    except OSError as error:
        return _reason(error)
    try:
        greeting = await asyncio.wait_for(reader.read(len(GREETING)), ATTEMPT_SECONDS)
    except TimeoutError:
        return "it accepts the connection and sends no greeting"
    except OSError as error:
        return _reason(error)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return "" if greeting == GREETING else "it accepts the connection and is no SSH server"


def _reason(error: OSError) -> str:
    """Return the reason in the system's words; asyncio's own text repeats the address. A resolver has other numbers."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
