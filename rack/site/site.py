"""The whole configuration of a stack: the value of `rack:site`."""

from pydantic import Field

from rack.site.bandwidth import BandwidthSpec
from rack.site.cloud import Cloud
from rack.site.compute import Compute
from rack.site.external_access import ExternalAccessSpec
from rack.site.fabric import FabricSpec
from rack.site.firmware import FirmwareSpec
from rack.site.images import Builder, Image
from rack.site.model import Model
from rack.site.names import Domain
from rack.site.networks import Networks
from rack.site.nodes import Node, Role
from rack.site.ssh import Ssh
from rack.site.tenant import TenantSpec
from rack.site.ufm import UfmSpec
from rack.site.undercloud import UndercloudSpec


class Site(Model):
    """Configuration of a rack and of the cloud on it."""

    protect: bool = True
    """Whether Pulumi refuses to delete or replace UFM, the control PKeys, the undercloud and the overcloud. Write false
    for test environments, or run `up` with false before you destroy the stack."""
    cloud: Cloud = Cloud()
    ssh: Ssh
    networks: Networks
    ufm: UfmSpec
    undercloud: UndercloudSpec
    nodes: tuple[Node, ...] = Field(min_length=1)
    compute: Compute = Compute()
    firmware: FirmwareSpec = FirmwareSpec()
    fabric: FabricSpec
    builder: Builder | None = None
    """If omitted, the undercloud builds the guest images."""
    images: tuple[Image, ...] = ()
    tenant: TenantSpec = TenantSpec()
    external_access: ExternalAccessSpec | None = None
    """If omitted, instances are reachable over the tenant's network only."""
    bandwidth: BandwidthSpec | None = None
    """If omitted, no test runs."""
    site_domains: tuple[Domain, ...] = ()
    """Domains of the site's own servers, mirrors and registries. With `internet: false`, a name outside them may be
    public (OFF002, OFF005 to OFF007). Domains that are never public, like `rack.internal`, need not be listed."""
    internet: bool = True
    """Whether the rack has Internet access. With false, the rules OFF001 to OFF007 report everything that would be
    downloaded."""

    @property
    def indexes(self) -> tuple[int, ...]:
        """Return each node's number within its role, in the order of `nodes`."""
        following = dict.fromkeys(Role, 0)
        found = []
        for node in self.nodes:
            index = following[node.role] if node.index is None else node.index
            following[node.role] = index + 1
            found.append(index)
        return tuple(found)
