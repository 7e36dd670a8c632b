"""The part of stable/wallaby that the rack needs and that tripleo-heat-templates 14.3.0 of August 2021 lacks.

An undercloud has the branch: RDO's repositories are built from it.
"""

from pathlib import Path

SDN = "deployment/neutron/neutron-plugin-ml2-mlnx-sdn-assist-container-puppet.yaml"
"""Relative to the folder of the templates."""

PARAMETER = "  MlnxSDNUrl:\n"
PARAMETER_ADDED = "  MlnxSDNToken:\n    type: string\n    description: The token of the SDN server.\n    hidden: true\n"
SETTING = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_url:"
SETTING_ADDED = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_token: {get_param: MlnxSDNToken}\n"


def backport(templates: Path) -> None:
    """Add MlnxSDNToken, which the branch has since 2021-12-12, to the templates in a folder. Idempotent."""
    file = templates / SDN
    text = file.read_text()
    if "MlnxSDNToken" not in text:
        file.write_text(text.replace(PARAMETER, PARAMETER_ADDED + PARAMETER).replace(SETTING, SETTING_ADDED + SETTING))
