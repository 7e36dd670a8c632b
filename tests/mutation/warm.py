"""`python -m tests.mutation.warm`: runs pytest once per line of its input, each time in a fork of itself.

The modules that the tests import from elsewhere are imported once, before the first fork: to start Python, pytest and
these modules takes longer than most of a mutant's tests. A line is a JSON object with the arguments of pytest and the
file for its output. The answer is the process group of the fork, in a first line, and its exit status in a second.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any

MODULES = ("pytest", "hypothesis", "pydantic", "yaml", "networkx", "requests", "jinja2", "pulumi", "pulumi.runtime",
           "pulumi.provider", "pulumi.provider.experimental", "pulumi_command", "trustme")  # fmt: skip


def main() -> None:
    """Answer the requests on standard input until its end."""
    for name in MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(request: dict[str, Any]) -> None:
    """Run pytest in a process group of its own, and end the process with pytest's exit status."""
    import pytest

    os.setsid()
    output = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(stream, target)
    status = 3  # pytest's own number for an error within pytest
    try:
        status = int(pytest.main(request["arguments"]))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
