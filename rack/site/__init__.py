"""Models of the configuration: one structured object per stack, `rack:site`, strict and typed.

Every model is frozen, refuses unknown keys and never coerces types: "8443" and `true` are not accepted as numbers. Keys
are camelCase in YAML. `rack.site.load.parse` reports all problems at once as `ConfigError`: path in the YAML, value
found, what to write, and the ID of the design rule (`rack.rules`). Secrets are not part of the site but Pulumi config
secrets (`SECRETS`).

The docstrings of models and fields are the text of `docs/configuration.md`. The guide's addresses are not public; the
defaults are TripleO's.
"""

from rack.site.bandwidth import BandwidthSpec
from rack.site.cloud import Cloud
from rack.site.compute import Compute, Gpu, Hardware
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
    "Hardware",
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
