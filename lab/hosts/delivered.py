"""What UFM's node and the undercloud have when they are delivered: the guide's U1, and the build host of G2."""

from typing import Any

from lab.hosts.machine import Machine
from rack.site import Site

VENDOR_ELEMENTS = (
    "cloud-init-config",
    "cloud-init-net-conf-disabled",
    "rdma-core",
    "mofed",
    "cuda",
    "gpudirect-bench",
    "dhclient-hw",
)
"""Elements of the vendor's how-to that diskimage-builder does not hold."""
VENDOR_PATH = "/opt/dib-elements"
"""Where the lab's undercloud, its image builder, has them."""


def ufm(machine: Machine, site: Site) -> None:
    """Ubuntu with Docker enabled and running, the fabric interface without an address and down (U1, U3)."""
    machine.install("ufm")
    (machine.root.tree / "etc/systemd/system").mkdir(parents=True)
    host = site.ufm.host
    management = host.management_interface if host else "eno1"
    fabric = host.fabric_interface if host else "ib0"
    prefix = site.networks.provisioning.cidr.prefixlen
    interfaces: dict[str, dict[str, Any]] = {
        "lo": {"up": True, "addresses": ["127.0.0.1/8"]},
        management: {"up": True, "addresses": [f"{site.ufm.address}/{prefix}"]},
        fabric: {"up": False, "addresses": [], "infiniband": True},
    }
    with machine.change() as state:
        state["units"] = {"docker": {"active": True, "enabled": True}}
        state["interfaces"] = interfaces


def undercloud(machine: Machine) -> None:
    """CentOS Stream 8, and the vendor's elements for disk-image-create."""
    machine.install("localhost.localdomain")
    for name in VENDOR_ELEMENTS:
        machine.root.write(f"{VENDOR_PATH}/{name}/README.rst", f"{name}\n{'=' * len(name)}\nStands for the vendor's.\n")
