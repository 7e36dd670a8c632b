"""A worker of `rack.wallaby.checks`: runs one check in the virtual environment of the Wallaby tools.

Usage: python serve.py CHECK     (CHECK is a module beside this one)

Each line of standard input is a request in JSON, and each line of standard output its result. A fork handles each
request: importing the tools takes seconds, so it happens once, but they keep options and caches in globals, which must
not reach the next request.
"""

import collections
import collections.abc
import fnmatch
import importlib
import json
import logging
import os
import sys
import traceback
import warnings

from request import Request


def prepare():
    """Restore what the Wallaby tools need and what Python 3.11 and current libraries have removed."""
    warnings.simplefilter("ignore")
    for name in ("Mapping", "MutableMapping", "Sequence", "Iterable", "Callable"):
        setattr(collections, name, getattr(collections.abc, name))
    import oslo_utils

    oslo_utils.fnmatch = sys.modules["oslo_utils.fnmatch"] = fnmatch


def answer(check, request):
    """Return the result: {"findings": [[file, text], ...], ...}, or {"crashed": traceback} if the tool crashed."""
    try:
        return check.run(Request(request))
    except Exception:
        return {"crashed": traceback.format_exc()}


def answer_in_fork(check, request):
    """Return the result of `answer` as JSON, computed in a child process."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer(check, request), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.wait()
    return text or json.dumps({"crashed": "the process of the check ended without a result"})


def main():
    """Answer requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # output of the tools must not mix with results
    prepare()
    check = importlib.import_module(sys.argv[1])
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(answer_in_fork(check, json.loads(line)), file=replies, flush=True)


if __name__ == "__main__":
    main()
