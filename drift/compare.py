"""The differences of one host: files, units, UFM's container and address."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from drift.expected import UFM_ADDRESS, UFM_INSTALL, Expected, File, Ufm
from drift.finding import Finding, Severity
from onhost.drift.orders import UfmLook

NOTES = "/var/lib/rack-ufm/address"
"""Exists if the step set UFM's address (onhost/ufm/address.sh)."""
ADDRESS_UNIT, UFM_UNIT = "rack-fabric-address", "ufm-enterprise"
RUNNING = "is running"
"""What ufmd says of itself."""
LINES = 40
"""Lines of a diff that are shown."""


def digests(expected: Expected) -> dict[str, str]:
    """Return path → digest of the expected content, empty for a file with a secret: it is compared here."""
    return {path: "" if file.secret else sha256(file.content) for path, file in expected.files.items()}


def sha256(text: str) -> str:
    """Return the digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def ufm_look(ufm: Ufm) -> UfmLook:
    """Return what is looked at of UFM."""
    return UfmLook(ufm.image, ufm.interface, NOTES, ADDRESS_UNIT, UFM_UNIT)


def unknown(host: str, kind: str, what: str, fault: str, remedy: str = "see the reason") -> Finding:
    """Return the finding that something could not be looked at."""
    return Finding(Severity.UNKNOWN, host, kind, f"{what}: {fault}", remedy=remedy)


def host_findings(host: str, expected: Expected, facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the differences of files and units."""
    for path, file in sorted(expected.files.items()):
        yield from _file(host, file, facts["files"][path])
    for unit, step in sorted(expected.units.items()):
        yield from _unit(host, unit, step, facts["units"][unit])


def _file(host: str, file: File, found: Mapping[str, Any]) -> Iterator[Finding]:
    def finding(text: str, detail: tuple[str, ...] = ()) -> Finding:
        return Finding(Severity.DRIFT, host, "file", f"{file.path}: {text}", detail, file.step)

    if "fault" in found:
        yield unknown(host, "file", file.path, found["fault"])
        return
    there = found["answer"]
    if there is None:
        yield finding("it is missing")
    elif there["kind"] != "file":
        yield finding(f"it is a {there['kind']}" if there["kind"] == "link" else "it is no file")
    else:
        if there["sha256"] != sha256(file.content):
            yield finding(*_content(file, there))
        wanted, real = (file.mode, file.owner, file.group), (there["mode"], there["owner"], there["group"])
        if wanted != real:
            yield finding(f"{' '.join(real)} instead of {' '.join(wanted)}")


def _content(file: File, there: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if file.secret:
        return "its content differs; it contains a secret, so it is compared by digest", ()
    if "text" not in there:
        return "its content differs, and is too long to show", ()
    lines = difflib.unified_diff(file.content.splitlines(), there["text"].splitlines(), lineterm="", n=0)
    changed = [line for line in list(lines)[2:] if not line.startswith("@@")]
    more = [f"… and {len(changed) - LINES} more lines"] if len(changed) > LINES else []
    return "its content differs", (*changed[:LINES], *more)


def _unit(host: str, unit: str, step: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    if "fault" in found:
        yield unknown(host, "unit", unit, found["fault"])
    elif found["answer"]["enabled"] != "enabled":
        state = found["answer"]["enabled"]
        yield Finding(Severity.DRIFT, host, "unit", f"unit {unit}: {state} instead of enabled", step=step)


def ufm_findings(host: str, ufm: Ufm, found: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the differences of UFM on its host: container and image, daemon, units, address of the fabric interface."""
    if "fault" in found:
        yield unknown(host, "container", "UFM", found["fault"])
        return
    facts = found["answer"]
    yield from _ufm_container(host, ufm, facts)
    if facts["unit"] and facts["unit"]["enabled"] != "enabled":
        text = f"unit {UFM_UNIT}: {facts['unit']['enabled']} instead of enabled"
        yield Finding(Severity.DRIFT, host, "unit", text, step=UFM_INSTALL)
    if facts["address_unit"] and facts["address_unit"]["enabled"] != "enabled":
        text = f"unit {ADDRESS_UNIT}: {facts['address_unit']['enabled']} instead of enabled"
        yield Finding(Severity.DRIFT, host, "unit", text, step=UFM_ADDRESS)
    if ufm.address and ufm.address not in facts["addresses"]:
        text = f"interface {ufm.interface}: it has no address {ufm.address}"
        yield Finding(Severity.DRIFT, host, "unit", text, step=UFM_ADDRESS)


def _ufm_container(host: str, ufm: Ufm, facts: Mapping[str, Any]) -> Iterator[Finding]:
    def finding(severity: Severity, text: str) -> Finding:
        return Finding(severity, host, "container", text, step=UFM_INSTALL)

    if not facts["container"]:
        yield finding(Severity.BROKEN, "container ufm: it does not exist")
        return
    running, image, identity = facts["container"]
    if running != "true":
        yield finding(Severity.BROKEN, "container ufm: it is stopped")
    elif RUNNING not in facts["status"]:
        yield finding(Severity.BROKEN, f"container ufm: ufmd does not run: {facts['status'] or 'no answer'}")
    if identity != facts["image"]:
        yield finding(Severity.DRIFT, f"container ufm: it has the image {image} instead of {ufm.image}")
