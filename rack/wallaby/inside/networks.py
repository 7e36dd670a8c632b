"""Network data and node-info (O1), validated by tripleo-ansible. Its only release is later than Wallaby."""

import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(sys.prefix) / "share/ansible/plugins/module_utils"))
import baremetal_deploy
import network_data_v2

IMAGE = {"href": "file:///var/lib/ironic/images/overcloud-full.raw"}


def run(request):
    """Check network data and node-info."""
    findings = []
    for name, check in (("network_data_ib_vm.yaml", _networks), ("node-info-ib-vm.yaml", _nodes)):
        try:
            document = request.load(name)
        except yaml.YAMLError as error:
            findings.append([request.path_in_home(name), str(error)])
            continue
        findings += [[request.path_in_home(name), text] for text in check(document, request["stack"])]
    return {"findings": findings}


def _networks(document, stack):
    for network in document:
        for error in network_data_v2.validate_json_schema(network):
            lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
            named = [line for line in lines if "ipv6" not in line][:6]
            yield f"{network.get('name', '?')}: {'; '.join(named)[:500]}"


def _nodes(document, stack):
    try:
        baremetal_deploy.expand(document, stack, True, default_image=IMAGE)
    except Exception as error:  # jsonschema's, or any that an invalid document causes in the code
        path = "".join(f"[{part!r}]" for part in getattr(error, "absolute_path", ()))
        yield f"{path} {getattr(error, 'message', error)}".strip()
