"""The rack's components, one per file, in the order of the guide.

    Owner → Ownership → UfmHost → Undercloud → Introspection → Fabric → Gate → Overcloud → Firmware → GuestImages →
    Tenant → ExternalAccess → Bandwidth → Repair → Protection

Each takes the plan and outputs of earlier components. Whatever follows from the configuration is decided in the plan.
"""

from components.bandwidth import Bandwidth
from components.external_access import ExternalAccess
from components.fabric import Fabric
from components.firmware import Firmware
from components.gate import Gate
from components.guest_images import GuestImages
from components.introspection import Introspection
from components.overcloud import Overcloud
from components.owner import Owner, Ownership
from components.protection import Protection
from components.repair import Repair
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
    "Repair",
    "Tenant",
    "UfmHost",
    "Undercloud",
]
