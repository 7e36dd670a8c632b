"""Roles and networks render TripleO's templates (O1), by its own tools/process-templates.py."""

import subprocess
import sys

ROLES, NETWORKS = "roles_data_ib_vm.yaml", "network_data_ib_vm.yaml"
SDN = "deployment/neutron/neutron-plugin-ml2-mlnx-sdn-assist-container-puppet.yaml"

# stable/wallaby has it since 2021-12-12, the release 14.3.0 of August does not: what the undercloud installs from
# RDO's repositories is the branch.
PARAMETER = "  MlnxSDNUrl:\n"
PARAMETER_ADDED = "  MlnxSDNToken:\n    type: string\n    description: The token of the SDN server.\n    hidden: true\n"
SETTING = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_url:"
SETTING_ADDED = "            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_token: {get_param: MlnxSDNToken}\n"


def run(request):
    """Leaves the rendered templates in `rendered`."""
    templates, out = request["templates"], request.rendered
    words = ["-p", templates, "-o", out, "-r", request.file(ROLES), "-n", request.file(NETWORKS)]
    command = [sys.executable, "tools/process-templates.py", *words]
    done = subprocess.run(command, cwd=templates, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        return {"findings": [[request.shown(NETWORKS), f"process-templates.py, with {ROLES}: {' '.join(last)}"]]}
    if not request["released"]:
        backport(out / SDN)
    return {"findings": []}


def backport(path):
    """MlnxSDNToken as the branch has it."""
    text = path.read_text()
    if "MlnxSDNToken" not in text:
        text = text.replace(PARAMETER, PARAMETER_ADDED + PARAMETER).replace(SETTING, SETTING_ADDED + SETTING)
        path.write_text(text)
