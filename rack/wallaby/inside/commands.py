"""Command lines (O5 and all others): parsed by tripleoclient's own commands, and its `_validate_args`."""

import contextlib
import io
import logging
import types
from importlib.metadata import entry_points

from osc_lib import exceptions

COMMANDS = {entry.name: entry for entry in entry_points(group="openstack.tripleoclient.v2")}


def run(request):
    findings = []
    for shown, words in request["lines"]:
        findings += [[shown, text] for text in judge(words)]
    return {"findings": findings}


def judge(words):
    """What is wrong with a command line, its first word `openstack`."""
    for end in range(len(words), 1, -1):
        name = "_".join(word.replace("-", "_") for word in words[1:end])
        if name in COMMANDS:
            return _judge(name, words[:end], words[end:])
    return [f"{' '.join(words[:4])}: tripleoclient has no such command"]


def _judge(name, head, rest):
    app = types.SimpleNamespace(
        client_manager=types.SimpleNamespace(), options=types.SimpleNamespace(), LOG=logging.getLogger()
    )
    command = COMMANDS[name].load()(app, None)
    parser = command.get_parser(" ".join(head))
    known = {option for action in parser._actions for option in action.option_strings}
    # argparse takes any unique beginning of an option; the next release may have two of it.
    short = [w.split("=")[0] for w in rest if w.startswith("--") and w.split("=")[0] not in known]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = parser.parse_args(rest)
    except SystemExit:
        return [said.getvalue().strip().splitlines()[-1]]
    found = [f"{option}: no option of `{' '.join(head)}`; write it in full" for option in short]
    if name == "overcloud_deploy":
        try:
            command._validate_args(given)
        except exceptions.CommandError as error:
            found.append(str(error))
    return found
