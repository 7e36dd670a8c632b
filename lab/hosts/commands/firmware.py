"""The adapter's firmware settings: mstconfig, mlxconfig, mstflint (H1 to H3, B1)."""

import argparse

from lab.hosts.call import Call
from lab.hosts.kinds.node import FIRMWARE_RELEASE, Node
from lab.hosts.outcomes import Refusal
from lab.hosts.output import Parser
from lab.hosts.registry import command

CURRENT_VALUES = {
    "LINK_TYPE_P1": {1: "IB(1)", 2: "ETH(2)"},
    "SRIOV_EN": {0: "False(0)", 1: "True(1)"},
    "ATS_ENABLED": {0: "False(0)", 1: "True(1)"},
    "ADVANCED_PCI_SETTINGS": {0: "False(0)", 1: "True(1)"},
}
"""Values that mstconfig prints by name."""

HIDDEN = "MAX_ACC_OUT_READ"
"""Visible only while ADVANCED_PCI_SETTINGS is current; hence the guide's two reboots (B1)."""

RANGES = {"NUM_OF_VFS": (0, 127), "MAX_ACC_OUT_READ": (0, 127)}


@command("mlxconfig", Node)
@command("mstconfig", Node)
def mstconfig(call: Call[Node]) -> None:
    """Query, set or reset parameters; new values become current at the next boot (H3)."""
    options = Parser(call, call.argv[0])
    options.add_argument("-d", "--dev", required=True)
    options.add_argument("-y", "--yes", action="store_true")
    options.add_argument("-e", "--enable_verbosity", action="store_true")
    options.add_argument("verb", choices=["query", "q", "set", "s", "reset", "r"])
    options.add_argument("parameters", nargs="*")
    given = options.parse()
    call.as_root()
    _device(call, given.dev)
    if given.verb in ("query", "q"):
        _query(call, given)
    elif given.verb in ("set", "s"):
        _set(call, given)
    else:
        _confirm(call, given, "Reset configuration for device")
        with call.host.change():
            call.host.state.firmware_next = _resettable(call)
        call.out("Applying... Done!\n-I- Please reboot machine to load new configurations.")


def _resettable(call: Call[Node]) -> dict[str, int]:
    """Return the factory settings that a reset restores."""
    return {k: v for k, v in call.host.factory_firmware().items() if k != "LINK_TYPE_P1"}


def _device(call: Call[Node], name: str) -> None:
    hca = call.rack.plan.site.compute.hca
    second = hca.rpartition(".")[0] + ".1"
    if name.removeprefix("0000:") not in (hca, second, "/dev/mst/mt4123_pciconf0", "mlx5_0"):
        raise Refusal(f"-E- Failed to open the device {name}: No such file or directory", 3)


def settings(call: Call[Node], following: bool = False) -> dict[str, int]:
    """Return the value of each visible parameter: the current one, or if `following` the one after the next boot."""
    current = call.host.firmware()
    values = {**current, **call.host.state.firmware_next} if following else current
    if not current["ADVANCED_PCI_SETTINGS"]:
        values = {k: v for k, v in values.items() if k != HIDDEN}
    return values


def _text(name: str, value: int) -> str:
    return CURRENT_VALUES.get(name, {}).get(value, str(value))


def _query(call: Call[Node], given: argparse.Namespace) -> None:
    current, following = settings(call), settings(call, following=True)
    for name in given.parameters:
        if name not in current:
            raise Refusal(f"-E- The Device doesn't support {name} parameter", 3)
    call.out(
        f"\nDevice #1:\n----------\n\nDevice type:    ConnectX6\n"
        f"Name:           MCX653106A-HDA_Ax\nDevice:         {given.dev}\n"
    )
    heads = ["Default", "Current", "Next Boot"] if given.enable_verbosity else ["Next Boot"]
    call.out(f"{'Configurations:':<44}" + "".join(f"{h:<16}" for h in heads).rstrip())
    factory = {**current, **_resettable(call)}
    for name in given.parameters or sorted(current, key=list(current).index):
        values = [factory[name], current[name], following[name]] if given.enable_verbosity else [following[name]]
        mark = "*" if len(set(values)) > 1 else ""
        call.out(f"{mark:<9}{name:<35} " + "".join(f"{_text(name, v):<16}" for v in values).rstrip())
    if given.enable_verbosity and any(factory[n] != current[n] or current[n] != following[n] for n in current):
        call.out("The '*' shows parameters with next value different from default/current value.")


def _set(call: Call[Node], given: argparse.Namespace) -> None:
    if not given.parameters:
        raise Refusal("-E- No configurations to set were given", 1)
    current = settings(call)
    wanted: dict[str, int] = {}
    for assignment in given.parameters:
        name, _, text = assignment.partition("=")
        if name not in current:
            raise Refusal(f"-E- The Device doesn't support {name} parameter", 3)
        wanted[name] = _value(name, text)
    call.out(f"\nDevice #1:\n----------\n\nDevice type:    ConnectX6\nDevice:         {given.dev}\n")
    following = settings(call, following=True)
    call.out(f"{'Configurations:':<44}{'Next Boot':<16}New")
    for name, value in wanted.items():
        call.out(f"         {name:<35} {_text(name, following[name]):<16}{_text(name, value)}")
    _confirm(call, given, "\n Apply new Configuration?")
    with call.host.change():
        call.host.state.firmware_next.update(wanted)
    call.out("Applying... Done!\n-I- Please reboot machine to load new configurations.")


def _value(name: str, text: str) -> int:
    words = {"true": 1, "false": 0, "ib": 1, "eth": 2} if name in CURRENT_VALUES else {}
    try:
        value = words[text.lower()] if text.lower() in words else int(text, 0)
    except ValueError:
        raise Refusal(f"-E- Failed to parse {name}={text}: illegal value", 1) from None
    low, high = RANGES.get(name, (min(CURRENT_VALUES.get(name, {0: ""})), max(CURRENT_VALUES.get(name, {0: ""}))))
    if not low <= value <= high:
        raise Refusal(f"-E- Failed to set {name}={text}: the value must be from {low} to {high}", 1)
    return value


def _confirm(call: Call[Node], given: argparse.Namespace, question: str) -> None:
    if given.yes:
        return
    call.out(f"{question} (y/n) [n] : ", end="")
    if call.read().strip().lower()[:1] != "y":
        raise Refusal("\n Aborted by user.\n", 1)


@command("mstflint", Node)
def mstflint(call: Call[Node]) -> None:
    """Run `-d DEVICE query`: print the firmware's version (H1)."""
    options = Parser(call, "mstflint")
    options.add_argument("-d", "--device", required=True)
    options.add_argument("verb", choices=["query", "q"])
    options.add_argument("mode", nargs="?", choices=["full"])
    given = options.parse()
    _device(call, given.device)
    guid = call.host.ports()[0].guid
    call.out(
        f"Image type:            FS4\nFW Version:            {FIRMWARE_RELEASE}\n"
        f"FW Release Date:       1.12.2021\nProduct Version:       {FIRMWARE_RELEASE}"
    )
    call.out(
        f"Description:           UID                GuidsNumber\n"
        f"Base GUID:             {guid}        8\nPSID:                  MT_0000000223"
    )
