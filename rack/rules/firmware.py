"""Design rules of the adapters' firmware (H2)."""

from collections.abc import Iterator

from rack import firmware
from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site


@rule(
    "FW001",
    "H2",
    "An additional firmware parameter appears once per role, and is not one that the guide sets: those follow from "
    "`compute`.",
)
def firmware_parameters(site: Site) -> Iterator[Finding]:
    """Compare the parameters with the guide's, then look for duplicates."""
    listed = [(f"firmware.parameters[{i}].name", p) for i, p in enumerate(site.firmware.parameters)]
    for path, parameter in listed:
        if parameter.name in firmware.guide_parameters(site, parameter.role):
            found = f"{parameter.name}, which the guide sets"
            yield Finding(path, found, "remove it: its value follows from compute")
    for path, (role, name) in duplicates((path, (p.role, p.name)) for path, p in listed):
        yield Finding(path, f"{name} more than once for {role}", "write it once")
