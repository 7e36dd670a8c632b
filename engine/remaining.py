"""`python -m engine.remaining STACK`: exit with 1 and say how many resources remain in a stack; 0 if none does.

An interrupted `pulumi destroy` exits with 0 and claims that all resources have been deleted, if the operations that
were under way succeed (docs/failures.md).
"""

import json
import subprocess
import sys
from typing import Any


def remaining(state: dict[str, Any]) -> int:
    """Return how many resources an exported state has, without the stack itself, components and providers."""
    resources = state["deployment"].get("resources") or ()
    return sum(bool(r.get("custom")) and not r["type"].startswith("pulumi:providers:") for r in resources)


def main(stack: str) -> int:
    """Look at the stack's state and return the exit status."""
    command = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return done.returncode
    count = remaining(json.loads(done.stdout))
    if count:
        noun = "resource remains" if count == 1 else "resources remain"
        print(f"destroy of {stack} is not complete: {count} {noun}; run it again", file=sys.stderr)
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
