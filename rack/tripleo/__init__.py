"""The files of the guide's steps C2, C3, C6 and O1 to O4, rendered from the plan as data.

Each function returns a file's text, byte-stable for the same plan: dictionaries dumped by pyyaml, an INI file by
configparser's rules, and two NIC templates, which are Jinja for TripleO's own templar. Where the real Wallaby tools
contradict the guide's text, what the tools accept is rendered, with the reason beside it; `docs/guide-coverage.md`
lists where. Every file begins with a header (`rack.tripleo.header`) but the inventory: JSON knows no comments.

`bundle` puts the files together as they lie in stack's home, `check` looks for what the real tools overlook, and
`rack.wallaby` asks the real tools.
"""

from rack.tripleo.bundle import DEPLOYED, deployment_digest
from rack.tripleo.deployment import (
    compute_nics,
    containers_prepare,
    controller_nics,
    ib_env,
    ml2_sdn,
    network_data,
    node_groups,
    node_info,
    registry_login,
    roles_data,
    vip_data,
)
from rack.tripleo.header import digest
from rack.tripleo.needs import needs
from rack.tripleo.undercloud import instackenv, repositories, undercloud_conf

__all__ = [
    "DEPLOYED",
    "compute_nics",
    "containers_prepare",
    "controller_nics",
    "deployment_digest",
    "digest",
    "ib_env",
    "instackenv",
    "ml2_sdn",
    "needs",
    "network_data",
    "node_groups",
    "node_info",
    "registry_login",
    "repositories",
    "roles_data",
    "undercloud_conf",
    "vip_data",
]
