"""`openstack` on the undercloud: finds the subcommand and checks the login that it needs."""

import re
from collections.abc import Callable, Mapping
from enum import Enum, auto

import yaml

from lab.hosts.call import Call
from lab.hosts.kinds.undercloud import Undercloud
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

Handler = Callable[[Call[Undercloud]], int | None]
SUBCOMMANDS: dict[tuple[str, ...], tuple[Handler, Callable[[Call[Undercloud]], None]]] = {}
"""Words → handler, and the check of the login that it needs."""


NO_URL = "Missing value auth-url required for auth plugin password"


class Login(Enum):
    """Which credentials a subcommand needs in its environment."""

    NONE = auto()
    UNDERCLOUD = auto()
    """stackrc's."""
    OVERCLOUD = auto()
    """overcloudrc's."""


def subcommand(words: str, login: Login = Login.UNDERCLOUD) -> Callable[[Handler], Handler]:
    """Return a decorator that registers `openstack WORDS`. The handler gets the arguments after them as argv[1:]."""

    def register(handler: Handler) -> Handler:
        SUBCOMMANDS[tuple(words.split())] = (handler, CHECKS[login])
        return handler

    return register


@command("openstack", Undercloud)
def openstack(call: Call[Undercloud]) -> int:
    """Run the longest subcommand that matches, after the check of its login."""
    words = tuple(call.argv[1:])
    for length in range(len(words), 0, -1):
        if words[:length] in SUBCOMMANDS:
            handler, check = SUBCOMMANDS[words[:length]]
            if "--help" not in words[length:]:
                check(call)
            call.argv = ["openstack " + " ".join(words[:length]), *words[length:]]
            return handler(call) or 0
    raise Refusal(f"openstack: '{' '.join(words)}' is not an openstack command. See 'openstack --help'.", 2)


def _accept_all(call: Call[Undercloud]) -> None:
    """Check nothing."""


def _check_overcloud(call: Call[Undercloud]) -> None:
    """Check the login as the overcloud's keystone would: that of clouds.yaml, or of `source ~/overcloudrc`."""
    login = _login(call)
    if "OS_AUTH_URL" not in login:
        raise Refusal(NO_URL)
    given = re.findall(r"^export (OS_\w+)=(.*)$", call.rack.backends.cloud.overcloudrc(), re.MULTILINE)
    expected = {key: value.strip("'\"") for key, value in given}
    for key in ("OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD"):
        if login.get(key) != expected.get(key):
            raise Refusal(f"The request you have made requires authentication. (HTTP 401): {key}")


def _login(call: Call[Undercloud]) -> Mapping[str, str]:
    """Return the login as variables of an rc file. Those of the environment precede those of clouds.yaml (osc-lib)."""
    name = call.env.get("OS_CLOUD")
    if not name:
        return call.env
    clouds = (yaml.safe_load(call.clouds) or {}).get("clouds", {})
    if name not in clouds:
        raise Refusal(f"Cloud {name} was not found.")
    return {**{f"OS_{key.upper()}": value for key, value in clouds[name]["auth"].items()}, **call.env}


def _check_url(call: Call[Undercloud]) -> None:
    if "OS_AUTH_URL" not in call.env:
        raise Refusal(NO_URL)


def _check_undercloud(call: Call[Undercloud]) -> None:
    """Check the environment that `source ~/stackrc` sets, as the undercloud's keystone would."""
    _check_url(call)
    login = call.host.state.login
    if not login or call.env["OS_AUTH_URL"] != login.auth_url:
        raise Refusal(f"Unable to establish connection to {call.env['OS_AUTH_URL']}: connection refused")
    if call.env.get("OS_PASSWORD") != login.password or call.env.get("OS_USERNAME") != "admin":
        raise Refusal("The request you have made requires authentication. (HTTP 401)")


CHECKS = {Login.NONE: _accept_all, Login.UNDERCLOUD: _check_undercloud, Login.OVERCLOUD: _check_overcloud}


def parser(call: Call[Undercloud]) -> Parser:
    """Return an argument parser for the called subcommand."""
    return Parser(call, call.argv[0])
