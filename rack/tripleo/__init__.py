"""The files of the guide's steps C2, C3, C6 and O1 to O4, rendered from the plan as data.

Each function returns a file's text, byte-stable for the same plan: dictionaries dumped by pyyaml, an INI file by
configparser's rules, and two NIC templates, which are Jinja for TripleO's own templar. Where the real Wallaby tools
contradict the guide's text, what the tools accept is rendered, with the reason beside it.
"""

import hashlib

from rack.tripleo.deployment import (
    compute_nics,
    containers_prepare,
    controller_nics,
    ib_env,
    ml2_sdn,
    network_data,
    node_info,
    roles_data,
    vip_data,
)
from rack.tripleo.undercloud import instackenv, undercloud_conf

__all__ = [
    "compute_nics",
    "containers_prepare",
    "controller_nics",
    "digest",
    "ib_env",
    "instackenv",
    "ml2_sdn",
    "network_data",
    "node_info",
    "roles_data",
    "undercloud_conf",
    "vip_data",
]


def digest(*documents: str) -> str:
    """Names a set of documents in a command, so that a change of one runs the command again. Never of a secret."""
    return hashlib.sha256("\0".join(documents).encode()).hexdigest()[:16]
