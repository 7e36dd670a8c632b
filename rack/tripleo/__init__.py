"""The TripleO files of guide steps C1 to C3, C6 and O1 to O5, rendered from the plan as data.

Each function returns the text of one file. The text is byte-stable: the same plan always gives the same bytes. YAML
files are dumped by PyYAML and INI files are written here. The two NIC templates are Jinja templates that TripleO
renders. Where the Wallaby tools reject what the guide prints, the file contains what the tools accept, and a comment
gives the reason; `docs/guide-coverage.md` lists these places. Every file except the inventory, which is JSON, starts
with a header (`rack.tripleo.header`).

Modules:
    documents: the list of files, with their paths below the home directory of the user stack
    check: checks for faults that the Wallaby tools ignore; `rack.wallaby` runs the tools themselves
    requirements: what the files require of the templates and the client on the undercloud
"""

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
from rack.tripleo.documents import DEPLOYMENT_DOCUMENTS, UFM_CA_DOCUMENT, deployment_digest
from rack.tripleo.header import digest
from rack.tripleo.requirements import template_requirements
from rack.tripleo.undercloud import instackenv, repositories, undercloud_conf

__all__ = [
    "DEPLOYMENT_DOCUMENTS",
    "UFM_CA_DOCUMENT",
    "compute_nics",
    "containers_prepare",
    "controller_nics",
    "deployment_digest",
    "digest",
    "ib_env",
    "instackenv",
    "ml2_sdn",
    "network_data",
    "node_groups",
    "node_info",
    "registry_login",
    "repositories",
    "roles_data",
    "template_requirements",
    "undercloud_conf",
    "vip_data",
]
