"""Design rules of VLANs and the PKeys that follow from them (D4, T2)."""

from collections.abc import Iterator

from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site
from rack.site.names import pkey


@rule("PKEY001", "D4", "Each network has a unique VLAN, so each control network has a unique PKey.")
def control_pkeys(site: Site) -> Iterator[Finding]:
    """Look for VLANs that several networks have."""
    listed = [(f"networks.control.{name}.vlan", net.vlan) for name, net in site.networks.control.items()]
    for path, vlan in duplicates([*listed, ("networks.external.vlan", site.networks.external.vlan)]):
        yield Finding(path, f"VLAN {vlan} more than once", "write a unique VLAN")


@rule("PKEY002", "D4", "Control PKeys lie outside the tenants' VLAN range: Neutron would give one of them to a tenant.")
def pkeys_apart(site: Site) -> Iterator[Finding]:
    """Compare each control network's VLAN with the range."""
    low, high = site.networks.tenant.vlans
    for name, net in site.networks.control.items():
        if low <= net.vlan <= high:
            found = f"{net.vlan} (PKey {pkey(net.vlan)}), which is in the tenants' range"
            yield Finding(f"networks.control.{name}.vlan", found, f"write a VLAN outside {low}-{high}")


@rule("PKEY003", "T2", "The tenant network's VLAN lies in the tenants' VLAN range.")
def tenant_vlan(site: Site) -> Iterator[Finding]:
    """Check the range, then the VLAN."""
    low, high = site.networks.tenant.vlans
    if low > high:
        yield Finding("networks.tenant.vlans", f"{low}-{high}", "write the lower VLAN first")
    elif not low <= site.tenant.network.vlan <= high:
        yield Finding("tenant.network.vlan", str(site.tenant.network.vlan), f"write a VLAN from {low} to {high}")
