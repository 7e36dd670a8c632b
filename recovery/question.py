"""The question before a write."""

import sys
from collections.abc import Callable


def agreed(ask: Callable[[str], str], question: str) -> bool:
    """Ask the operator, and return whether the answer is yes. No answer, or Ctrl-C, is no."""
    try:
        return ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt):
        print("not confirmed; run the command in a terminal, or with --yes", file=sys.stderr)
        return False
