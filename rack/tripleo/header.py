"""Digests of documents, and the header that names a document's origin.

A header names the stack, the guide's step and a digest of *this document's own content*, not of the whole plan: what
changes elsewhere leaves the file as it was, byte for byte, so a file in a pull request's diff is one that changed. Of
the file with UFM's token the digest is made without the token. `digest` overlooks headers altogether: a stack's new
name ships files with another first line, and deploys nothing.
"""

import hashlib
import re

from rack.plan import Plan

HEADER = re.compile(r"# rack: stack [^,\n]*, guide step [^,\n]*, content ([0-9a-f]{16})[^\n]*\n")


def digest(*documents: str) -> str:
    """Names a set of documents in a command, so that a change of one runs the command again. Never of a secret."""
    return hashlib.sha256("\0".join(map(body, documents)).encode()).hexdigest()[:16]


def headed(plan: Plan, step: str, content: str, made_of: str = "") -> str:
    """The content below its header.

    Args:
        made_of: what the digest is of, where the content holds a secret.
    """
    mark = digest(made_of or content)
    return f"# rack: stack {plan.stack}, guide step {step}, content {mark}; change the stack's file.\n{content}"


def body(text: str) -> str:
    """A document without its header."""
    found = HEADER.match(text)
    return text[found.end() :] if found else text
