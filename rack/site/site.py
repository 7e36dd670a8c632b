"""The whole configuration of a stack."""

from pydantic import Field

from rack.site.bandwidth import BandwidthSpec
from rack.site.cloud import Cloud
from rack.site.compute import Compute
from rack.site.external_access import ExternalAccessSpec
from rack.site.fabric import FabricSpec
from rack.site.firmware import FirmwareSpec
from rack.site.images import Image
from rack.site.model import Model
from rack.site.networks import Networks
from rack.site.nodes import Node, Role
from rack.site.ssh import Ssh
from rack.site.tenant import TenantSpec
from rack.site.ufm import UfmSpec
from rack.site.undercloud import UndercloudSpec


class Site(Model):
    """A rack and the cloud on it."""

    protect: bool = True
    """UFM, control PKeys, undercloud and overcloud can't be destroyed, nor can a mistake replace them. false: for test
    environments, and for an `up` before a stack is given up."""
    cloud: Cloud = Cloud()
    ssh: Ssh
    networks: Networks
    ufm: UfmSpec
    undercloud: UndercloudSpec
    nodes: tuple[Node, ...] = Field(min_length=1)
    compute: Compute = Compute()
    firmware: FirmwareSpec = FirmwareSpec()
    fabric: FabricSpec
    images: tuple[Image, ...] = ()
    tenant: TenantSpec = TenantSpec()
    external_access: ExternalAccessSpec | None = None
    """Left out: instances are reached over the tenant's network only."""
    bandwidth: BandwidthSpec | None = None
    """Left out: no test."""
    internet: bool = True
    """false: nothing may come from it, and the rules OFF001 to OFF005 tell what still would."""

    @property
    def overcloud_user(self) -> str:
        """The account on the overcloud nodes."""
        return self.ssh.overcloud_user or self.undercloud.software.overcloud_user

    @property
    def indexes(self) -> tuple[int, ...]:
        """Each node's number within its role, in the order of `nodes`."""
        following = dict.fromkeys(Role, 0)
        found = []
        for node in self.nodes:
            index = following[node.role] if node.index is None else node.index
            following[node.role] = index + 1
            found.append(index)
        return tuple(found)
