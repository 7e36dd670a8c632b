"""The rack's components, one per file, in the order of the guide.

    Owner → Ownership → UfmHost → Undercloud → Introspection → Fabric → Gate → Overcloud → Firmware → GuestImages →
    Tenant → ExternalAccess → Bandwidth → Protection

Each takes the plan and outputs of earlier components. Whatever follows from the configuration is decided in the plan.
Further modules hold what several components use:

    base                                the base class
    ssh, reach, ssh_client, known_hosts connections to hosts: commands, the wait for SSH, options of `ssh`, host keys
    cloud_api, nova, servers, outages   OpenStack's APIs in hooks of the engine: instances in ERROR, short outages
    local, repositories, adapters       files of the operator, package repositories, settings of adapters
"""

from components.bandwidth import Bandwidth
from components.external_access import ExternalAccess
from components.fabric import Fabric
from components.firmware import Firmware
from components.gate import Gate
from components.guest_images import GuestImages
from components.introspection import Introspection
from components.overcloud import Overcloud
from components.owner import Owner
from components.ownership import Ownership
from components.protection import Protection
from components.tenant import Tenant
from components.ufm_host import UfmHost
from components.undercloud import Undercloud

__all__ = [
    "Bandwidth",
    "ExternalAccess",
    "Fabric",
    "Firmware",
    "Gate",
    "GuestImages",
    "Introspection",
    "Overcloud",
    "Owner",
    "Ownership",
    "Protection",
    "Tenant",
    "UfmHost",
    "Undercloud",
]
