"""An adapter's firmware parameters: the tool that reads them, what it prints, what differs (H1 to H3, B1)."""

import re
from typing import Dict, Iterator, List, NamedTuple, Optional

TOOL = """\
for tool in {tools}; do
  if command -v $tool; then exit; fi
done
case "{tools}" in
  *mstconfig*) dnf install -y mstflint >&2; command -v mstconfig ;;
  *) echo 'no {tools}; install MFT, or write firmware.tool: auto' >&2; exit 1 ;;
esac
"""
"""Prints the path of the first tool that the node has; installs mstflint where it is allowed and none is there."""


class Value(NamedTuple):
    """A parameter of the firmware."""

    current: str
    following: str
    """Its value after the next boot."""


def settings(listing: str) -> Dict[str, Value]:
    """Return the parameters that `query` with -e lists.

    A line has a mark where the value is not the default, then name, default, current value, value after the next boot.
    """
    lines = re.findall(r"^(?:\*|RO)?\s+([A-Z][A-Z0-9_]*)\s+\S+\s+(\S+)\s+(\S+)\s*$", listing, re.MULTILINE)
    return {name: Value(number(current), number(following)) for name, current, following in lines}


def number(text: str) -> str:
    """Return the number of a value such as `True(1)` or `IB(1)`, by which values are compared."""
    match = re.search(r"\((\w+)\)$", text)
    return match.group(1) if match else text


def pending(wanted: Dict[str, str], shown: Dict[str, Value]) -> Dict[str, str]:
    """Return the wanted parameters that the adapter shows with another current value."""
    return {name: value for name, value in wanted.items() if name in shown and shown[name].current != value}


def hidden(wanted: Dict[str, str], shown: Dict[str, Value]) -> List[str]:
    """Return the wanted parameters that the adapter does not show."""
    return [name for name in wanted if name not in shown]


def unset(changes: Dict[str, str], shown: Dict[str, Value]) -> List[str]:
    """Return the words for `set`; a parameter that an interrupted run has set only waits for the reboot."""
    return [f"{name}={value}" for name, value in changes.items() if shown[name].following != value]


def unapplied(changes: Dict[str, str], shown: Dict[str, Value]) -> Iterator[str]:
    """Return the parameters that do not have their new value after the reboot, each with what to do."""
    for name, wanted in changes.items():
        value = shown.get(name, Value("nothing", "nothing"))
        if value.current != wanted:
            action = "power-cycle the node" if value.following == wanted else "the adapter does not keep it"
            yield f"{name} is {value.current} and not {wanted} after the reboot; {action}"


def release_faults(release: str, minimum: Optional[str], device: str) -> Iterator[str]:
    """Return what is wrong with the firmware's release (H1). `release` is `none` where no adapter was found."""
    if release == "none":
        yield f"no InfiniBand adapter at {device}; see: lspci | grep -i nox"
    elif minimum and [int(n) for n in release.split(".")] < [int(n) for n in minimum.split(".")]:
        yield f"the adapter's firmware is {release}; bring it to {minimum} or later (mstflint -d {device} burn)"
