"""A worker of `rack.wallaby.checks`, in the tools' own virtual environment: one check, one request a line, JSON.

usage: python serve.py CHECK     (a module beside this one)

Every request is answered by a fork: the tools keep options and caches in globals, and importing them takes seconds.
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
    """What the Wallaby tools miss on Python 3.11 and among the libraries of today."""
    warnings.simplefilter("ignore")
    for name in ("Mapping", "MutableMapping", "Sequence", "Iterable", "Callable"):
        setattr(collections, name, getattr(collections.abc, name))
    import oslo_utils

    oslo_utils.fnmatch = sys.modules["oslo_utils.fnmatch"] = fnmatch


def answer(check, request):
    """A check's answer: {"findings": [[file, text], ...], ...}, or {"broken": traceback}."""
    try:
        return check.run(Request(request))
    except Exception:
        return {"broken": traceback.format_exc()}


def fork(check, request):
    reading, writing = os.pipe()
    if os.fork() == 0:
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer(check, request), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.wait()
    return text or json.dumps({"broken": "the check's process died"})


def main():
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the tools print is no answer
    prepare()
    check = importlib.import_module(sys.argv[1])
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        print(fork(check, json.loads(line)), file=replies, flush=True)


if __name__ == "__main__":
    main()
