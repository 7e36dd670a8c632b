"""Headers and digests of documents.

A header names the stack, the guide step and a digest of the content of *its own document*, not of the whole plan. A
change elsewhere therefore leaves the file byte-identical, and the diff of a pull request shows only files whose
content changed. The digest of a document that contains a secret is computed without the secret.

`digest` ignores headers: a new stack name rewrites the first line of every file, but does not repeat the deployment.
"""

import hashlib
import re

from rack.plan import Plan

HEADER = re.compile(r"# rack: stack [^,\n]*, guide step [^,\n]*, content ([0-9a-f]{16})[^\n]*\n")


def digest(*documents: str) -> str:
    """Return 16 hex digits that identify the content of documents; never call it with a secret.

    A command that contains the digest runs again when one of the documents changes.
    """
    return hashlib.sha256("\0".join(map(body, documents)).encode()).hexdigest()[:16]


def headed(plan: Plan, step: str, content: str, digest_of: str = "") -> str:
    """Return the content with a header above it.

    Args:
        plan: its stack is named in the header.
        step: the guide step.
        content: the document without a header.
        digest_of: the text whose digest the header shows, if the content contains a secret.
    """
    mark = digest(digest_of or content)
    return f"# rack: stack {plan.stack}, guide step {step}, content {mark}; change the stack's file.\n{content}"


def body(text: str) -> str:
    """Return a document without its header."""
    found = HEADER.match(text)
    return text[found.end() :] if found else text
