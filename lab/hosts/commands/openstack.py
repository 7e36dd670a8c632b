"""`openstack` on the undercloud: finds the subcommand, checks the credentials that it needs."""

import re
from collections.abc import Callable

from lab.hosts.call import Call, Handler, Parser, Refusal, command

SUBCOMMANDS: dict[tuple[str, ...], tuple[Handler, Callable[[Call], None]]] = {}
"""Words → handler, and the check of its login; filled by the areas."""


def subcommand(words: str, needs_stackrc: bool = True, of_overcloud: bool = False) -> Callable[[Handler], Handler]:
    """Registers `openstack WORDS`; the handler sees the arguments after them as argv[1:]."""
    check = _as_overcloud_admin if of_overcloud else _authenticate if needs_stackrc else _as_anybody

    def register(handler: Handler) -> Handler:
        SUBCOMMANDS[tuple(words.split())] = (handler, check)
        return handler

    return register


@command("openstack", "undercloud")
def openstack(call: Call) -> int:
    """Dispatches to the longest subcommand that matches."""
    words = tuple(call.argv[1:])
    for length in range(len(words), 0, -1):
        if words[:length] in SUBCOMMANDS:
            handler, check = SUBCOMMANDS[words[:length]]
            if "--help" not in words[length:]:
                check(call)
            call.argv = ["openstack " + " ".join(words[:length]), *words[length:]]
            return handler(call) or 0
    raise Refusal(f"openstack: '{' '.join(words)}' is not an openstack command. See 'openstack --help'.", 2)


def _as_anybody(call: Call) -> None:
    """No login at all."""


def _as_overcloud_admin(call: Call) -> None:
    """As the overcloud's keystone would with what `source ~/overcloudrc` sets."""
    _needs_url(call)
    given = re.findall(r"^export (OS_\w+)=(.*)$", call.rack.backends.cloud.overcloudrc(), re.MULTILINE)
    expected = {key: value.strip("'\"") for key, value in given}
    for key in ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD"):
        if call.env.get(key) != expected.get(key):
            raise Refusal(f"The request you have made requires authentication. (HTTP 401): {key}")


def _needs_url(call: Call) -> None:
    if "OS_AUTH_URL" not in call.env:
        raise Refusal("Missing value auth-url required for auth plugin password")


def _authenticate(call: Call) -> None:
    """As keystone would with what `source ~/stackrc` sets."""
    _needs_url(call)
    expected = call.rack.undercloud.state.get("undercloud")
    if not expected or call.env["OS_AUTH_URL"] != expected["auth_url"]:
        raise Refusal(f"Unable to establish connection to {call.env['OS_AUTH_URL']}: connection refused")
    if call.env.get("OS_PASSWORD") != expected["password"] or call.env.get("OS_USERNAME") != "admin":
        raise Refusal("The request you have made requires authentication. (HTTP 401)")


def parser(call: Call) -> Parser:
    """argparse for the subcommand at hand."""
    return Parser(call, call.argv[0])
