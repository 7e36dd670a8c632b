"""ibsim: the simulated switches and HCAs, driven through ibsim's console."""

import os
import re
import select
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from lab.fabric.child import Child, ChildError
from lab.fabric.sim import socket_name
from lab.process import start_time

PROMPT = b"sim> "


class Ibsim(Child):
    """ibsim. Its console is standard input, which must stay open: at the end of the file ibsim loops forever."""

    CLIENT = re.compile(r"^Client (\d+): pid (\d+) connected", re.MULTILINE)

    def __init__(self, folder: Path, net_file: Path, limits: Mapping[str, int]) -> None:
        """Start ibsim with a net file; `limits` are its options -N, -S and -P (nodes, switches, ports)."""
        options = [f"-{letter}{limit}" for letter, limit in limits.items()]
        super().__init__("ibsim", folder, ["ibsim", "-s", *options, str(net_file)], socket_name(folder))
        self._lock = threading.Lock()

    def wait_ready(self) -> None:
        """Return when ibsim has read the net file and accepts commands.

        Raises:
            ChildError: ibsim refuses the file.
        """
        self.write_log(self._answer())

    def command(self, line: str) -> None:
        """Run one console command.

        Raises:
            ChildError: ibsim refuses the command, has ended, or does not answer within 10 s.
        """
        if answer := self._ask(line):
            raise ChildError(f"ibsim: {line}: {answer}")

    def disconnect_dead_clients(self) -> None:
        """Free the connections of killed programs: ibsim has ten, and notices a dead client only when it writes."""
        for client, pid in self.CLIENT.findall(self._ask("Attached")):
            if start_time(int(pid)) is None:
                self.command(f"X {client}")

    def _ask(self, line: str) -> str:
        assert self.popen.stdin is not None
        with self._lock:
            try:
                self.popen.stdin.write(line.encode() + b"\n")
                self.popen.stdin.flush()
            except OSError as error:
                raise ChildError("ibsim has ended") from error
            answer = self._answer()
        self.write_log(f"{line}\n{answer}" if answer else line)
        return answer

    def _answer(self, seconds: float = 10) -> str:
        """Return the output before the next prompt: empty, or the reason of a refusal."""
        assert self.popen.stdout is not None
        out = self.popen.stdout.fileno()
        deadline, text = time.monotonic() + seconds, b""
        while not text.endswith(PROMPT):
            if not select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ChildError(f"ibsim does not answer within {seconds:.0f} s")
            piece = os.read(out, 65536)
            if not piece:
                self.write_log(text.decode(errors="replace"))
                raise ChildError("ibsim has ended")
            text += piece
        return text.removesuffix(PROMPT).decode(errors="replace").strip()
