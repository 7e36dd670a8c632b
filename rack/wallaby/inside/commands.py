"""Command lines (O5 and others), parsed by tripleoclient's own commands and validated by its `_validate_args`."""

import contextlib
import io
import logging
import types
from importlib.metadata import entry_points

from osc_lib import exceptions

COMMANDS = {entry.name: entry for entry in entry_points(group="openstack.tripleoclient.v2")}


def run(request):
    """Check each pair of a name and the words of a command line in `commands`."""
    findings = []
    for name, words in request["commands"]:
        findings += [[name, text] for text in check_command(words)]
    return {"findings": findings}


def check_command(words):
    """Return the faults of a command line whose first word is `openstack`."""
    for end in range(len(words), 1, -1):
        name = "_".join(word.replace("-", "_") for word in words[1:end])
        if name in COMMANDS:
            return _check_arguments(name, words[:end], words[end:])
    return [f"{' '.join(words[:4])}: tripleoclient has no such command"]


def _check_arguments(name, head, rest):
    app = types.SimpleNamespace(
        client_manager=types.SimpleNamespace(), options=types.SimpleNamespace(), LOG=logging.getLogger()
    )
    command = COMMANDS[name].load()(app, None)
    parser = command.get_parser(" ".join(head))
    known = {option for action in parser._actions for option in action.option_strings}
    # argparse accepts any unique prefix of an option. In the next release the prefix may be ambiguous.
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
