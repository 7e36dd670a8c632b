"""What stable/wallaby has that tripleo-heat-templates 14.3.0 of August 2021 has not, as far as the rack needs it.

The undercloud installs the branch: RDO's repositories are built of it.
"""

from pathlib import Path

SDN = "deployment/neutron/neutron-plugin-ml2-mlnx-sdn-assist-container-puppet.yaml"
"""Below the templates' folder."""

PARAMETER = "  MlnxSDNUrl:\n"
PARAMETER_ADDED = "  MlnxSDNToken:\n    type: string\n    description: The token of the SDN server.\n    hidden: true\n"
SETTING = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_url:"
SETTING_ADDED = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_token: {get_param: MlnxSDNToken}\n"


def backport(templates: Path) -> None:
    """Adds MlnxSDNToken, which the branch has since 2021-12-12, to the templates in a folder. Twice is once."""
    file = templates / SDN
    text = file.read_text()
    if "MlnxSDNToken" not in text:
        file.write_text(text.replace(PARAMETER, PARAMETER_ADDED + PARAMETER).replace(SETTING, SETTING_ADDED + SETTING))
