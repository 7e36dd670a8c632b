"""An adapter's firmware parameters: find the tool, parse its output, compare with the wanted values (H1 to H4, B1)."""

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


VFS = ("SRIOV_EN", "NUM_OF_VFS")
"""Parameters that determine the number of VFs."""


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
    return [f"{name}={value}" for name, value in changes.items() if name in shown and shown[name].following != value]


def unapplied(changes: Dict[str, str], shown: Dict[str, Value]) -> Iterator[str]:
    """Return the parameters that do not have their new value after the reboot, each with what to do."""
    for name, wanted in changes.items():
        value = shown.get(name, Value("nothing", "nothing"))
        if value.current != wanted:
            action = "power-cycle the node" if value.following == wanted else "the adapter does not keep it"
            yield f"{name} is {value.current} and not {wanted} after the reboot; {action}"


def kept_vfs(changes: Dict[str, str], shown: Dict[str, Value]) -> Iterator[str]:
    """Return why a deployed node cannot get these changes, if the VFs are among them.

    A deployment creates the VFs of a new node. On a deployed one, os-net-config 14.2.0 ignores another number.
    """
    found = [f"{name} is {shown[name].current} and not {changes[name]}" for name in VFS if name in changes]
    if found:
        yield (
            f"{', '.join(found)}, and a deployed node keeps its VFs; remove its entry from `nodes`, run `pulumi up`, "
            "put the entry back and run `pulumi up` (H2)"
        )


def lacking_virtualization(facts: Dict[str, str]) -> Iterator[str]:
    """Return what is wrong with the hardware virtualization that the kernel sees."""
    if "none" in (facts["virtualization"], facts["kvm"]):
        yield "no hardware virtualization; enable VT-x or SVM in the BIOS (H4)"


def lacking_vfs(facts: Dict[str, str], wanted: Dict[str, str]) -> Iterator[str]:
    """Return what is wrong with the VFs that the kernel sees, once the firmware is as wanted."""
    offered, needed = facts["vfs"], int(wanted.get("NUM_OF_VFS", 0))
    found = int(offered) if offered.isdigit() else 0
    if found < needed:
        yield f"the adapter offers {found} VFs of {needed}; enable SR-IOV in the BIOS (H4)"


def release_faults(release: str, minimum: Optional[str], device: str) -> Iterator[str]:
    """Return what is wrong with the firmware's release (H1). `release` is `none` where no adapter was found."""
    if release == "none":
        yield f"no InfiniBand adapter at {device}; see: lspci | grep -i nox"
    elif minimum and [int(n) for n in release.split(".")] < [int(n) for n in minimum.split(".")]:
        yield f"the adapter's firmware is {release}; bring it to {minimum} or later (mstflint -d {device} burn)"
