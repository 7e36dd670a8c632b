"""Containers: those of TripleO on a node, which podman runs, and UFM's, which Docker runs."""

import json
from glob import glob
from pathlib import Path
from typing import Any, Dict, List

from onhost.drift.orders import UfmLook
from onhost.drift.units import output, unit_facts

STARTUP = "/var/lib/tripleo-config/container-startup-config/step_*/*.json"
"""What the last deployment wrote for each container (tripleo-ansible, container_startup_config)."""
LASTING = ("always", "unless-stopped")
"""`restart` of containers that run all the time; the others run once, or in another container."""
UNITS = "/etc/systemd/system/tripleo_*.service"
"""Units that keep these containers running (tripleo-ansible, tripleo_container_manage)."""


def tripleo_containers() -> Dict[str, Any]:
    """Return the containers that should run, name to image, and all that exist, name to image and status."""
    listed = output("podman", "ps", "-a", "--format", "{{.Names}}\t{{.Image}}\t{{.Status}}")
    rows = [line.split("\t") for line in listed.splitlines()]
    return {
        "expected": {name: config["image"] for name, config in startup().items()},
        "found": {row[0]: row[1:] for row in rows if len(row) == 3},
    }


def startup() -> Dict[str, Dict[str, Any]]:
    """Return the startup configuration of each container that runs all the time."""
    found = {}
    for path in sorted(glob(STARTUP)):  # noqa: PTH207 - the pattern is absolute
        config = json.loads(Path(path).read_text())
        if config.get("restart") in LASTING and config.get("image"):
            found[Path(path).stem.replace("hashed-", "")] = config
    return found


def ufm_facts(look: UfmLook) -> Dict[str, Any]:
    """Return UFM's container and the image that it should have, its daemon's status, its unit, its address."""
    facts = "{{.State.Running}}\t{{.Config.Image}}\t{{.Image}}"
    inspected = output("docker", "container", "inspect", "-f", facts, "ufm", missing="").strip()
    wanted = output("docker", "image", "inspect", "-f", "{{.Id}}", look.image, missing="").strip()
    status = output("docker", "exec", "ufm", "/etc/init.d/ufmd", "status", missing="").strip()
    shown = output("ip", "-o", "-4", "address", "show", "dev", look.interface, missing="")
    return {
        "container": inspected.split("\t") if inspected else [],
        "image": wanted,
        "status": (status.splitlines() or [""])[-1],
        "unit": unit_facts(look.unit) if _unit_file(look.unit) else None,
        "address_unit": unit_facts(look.address_unit) if Path(look.notes).exists() else None,
        "addresses": _addresses(shown),
    }


def _unit_file(unit: str) -> bool:
    return Path(f"/etc/systemd/system/{unit}.service").exists()


def _addresses(shown: str) -> List[str]:
    words = [line.split() for line in shown.splitlines()]
    return [row[row.index("inet") + 1] for row in words if "inet" in row]
