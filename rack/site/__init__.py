"""What an operator writes: one structured object a stack, `rack:site`, strict and typed.

Every model is frozen, refuses unknown keys and turns nothing into something else: a text is no number, `true` no 1.
Keys are camelCase in YAML. `parse` reports every problem at once as `ConfigError`: the path in the YAML, what was
found, what to write instead, and a design rule's ID (`rack.rules`). Secrets are no part of the site: they are Pulumi
config secrets of their own (`SECRETS`).

The docstrings of the fields are the text of `docs/configuration.md`. Addresses are missing from the guide's copy; the
defaults are TripleO's customary ones.
"""

from rack.site.bandwidth import BandwidthSpec
from rack.site.cloud import Cloud
from rack.site.compute import Compute, Gpu
from rack.site.external_access import ExternalAccessSpec, FloatingIp, PublicNetwork
from rack.site.fabric import FabricSpec, Switch
from rack.site.firmware import FirmwareParameter, FirmwareSpec
from rack.site.images import Image
from rack.site.networks import ControlNetwork, External, Networks, Provisioning, Range, TenantNetworks
from rack.site.nodes import Ipmi, Node, Role
from rack.site.secrets import OCCASIONAL_SECRETS, SECRETS
from rack.site.site import Site
from rack.site.ssh import Ssh
from rack.site.tenant import Flavor, Instance, TenantNetwork, TenantSpec
from rack.site.ufm import UfmHostSpec, UfmSpec
from rack.site.undercloud import Registry, Repository, UndercloudSpec

__all__ = [
    "OCCASIONAL_SECRETS",
    "SECRETS",
    "BandwidthSpec",
    "Cloud",
    "Compute",
    "ControlNetwork",
    "External",
    "ExternalAccessSpec",
    "FabricSpec",
    "FirmwareParameter",
    "FirmwareSpec",
    "Flavor",
    "FloatingIp",
    "Gpu",
    "Image",
    "Instance",
    "Ipmi",
    "Networks",
    "Node",
    "Provisioning",
    "PublicNetwork",
    "Range",
    "Registry",
    "Repository",
    "Role",
    "Site",
    "Ssh",
    "Switch",
    "TenantNetwork",
    "TenantNetworks",
    "TenantSpec",
    "UfmHostSpec",
    "UfmSpec",
    "UndercloudSpec",
]
