"""The rack's components, one a file, in the order of the guide:

    UfmHost → Undercloud → Introspection → Fabric → Gate → Overcloud → Firmware → GuestImages → Tenant →
    ExternalAccess → Bandwidth

Each takes the plan and what an earlier one gives, and decides nothing that the plan could have decided.
"""

from components.bandwidth import Bandwidth
from components.external_access import ExternalAccess
from components.fabric import Fabric, ufm_api
from components.firmware import Firmware
from components.gate import Gate
from components.guest_images import GuestImages
from components.introspection import Introspection
from components.overcloud import Overcloud
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
    "Protection",
    "Tenant",
    "UfmHost",
    "Undercloud",
    "ufm_api",
]
