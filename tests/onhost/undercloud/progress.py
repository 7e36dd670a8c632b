"""Run a program on the lab's undercloud and act when it prints a certain line."""

import subprocess
from collections.abc import Callable

from tests.lab.hosts.conftest import Lab


def run_and(lab: Lab, command: str, order: str, at: str, act: Callable[[], object]) -> subprocess.CompletedProcess[str]:
    """Return the completed program. Calls `act` at the first line of standard error with `at`; fails without one."""
    port = str(lab.plan.site.ssh.port)
    argv = ["ssh", *lab.options("undercloud"), "-p", port, f"root@{lab.address('undercloud')}", command]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        child.stdin.write(order)
        child.stdin.close()
        said = []
        for line in child.stderr:
            said.append(line)
            if at in line:
                act()
                at = "\0"
        out = child.stdout.read()
    assert at == "\0", f"no line with the text in: {''.join(said)}"
    return subprocess.CompletedProcess(argv, child.returncode, out, "".join(said))
