"""`openstack` on the undercloud: finds the subcommand, checks the credentials that it needs."""

from collections.abc import Callable

from lab.hosts.call import Call, Handler, Parser, Refusal, command

SUBCOMMANDS: dict[tuple[str, ...], tuple[Handler, bool]] = {}
"""Words → handler, and whether it needs stackrc; filled by the areas."""


def subcommand(words: str, needs_stackrc: bool = True) -> Callable[[Handler], Handler]:
    """Registers `openstack WORDS`; the handler sees the arguments after them as argv[1:]."""

    def register(handler: Handler) -> Handler:
        SUBCOMMANDS[tuple(words.split())] = (handler, needs_stackrc)
        return handler

    return register


@command("openstack", "undercloud")
def openstack(call: Call) -> int:
    """Dispatches to the longest subcommand that matches."""
    words = tuple(call.argv[1:])
    for length in range(len(words), 0, -1):
        if words[:length] in SUBCOMMANDS:
            handler, needs_stackrc = SUBCOMMANDS[words[:length]]
            if needs_stackrc:
                _authenticate(call)
            call.argv = ["openstack " + " ".join(words[:length]), *words[length:]]
            return handler(call) or 0
    raise Refusal(f"openstack: '{' '.join(words)}' is not an openstack command. See 'openstack --help'.", 2)


def _authenticate(call: Call) -> None:
    """As keystone would with what `source ~/stackrc` sets."""
    if "OS_AUTH_URL" not in call.env:
        raise Refusal("Missing value auth-url required for auth plugin password")
    expected = call.rack.undercloud.state.get("undercloud")
    if not expected or call.env["OS_AUTH_URL"] != expected["auth_url"]:
        raise Refusal(f"Unable to establish connection to {call.env['OS_AUTH_URL']}: connection refused")
    if call.env.get("OS_PASSWORD") != expected["password"] or call.env.get("OS_USERNAME") != "admin":
        raise Refusal("The request you have made requires authentication. (HTTP 401)")


def parser(call: Call) -> Parser:
    """argparse for the subcommand at hand."""
    return Parser(call, call.argv[0])
