"""instackenv.json (C6), validated by tripleo-common as `openstack overcloud node import` does first."""

import json

from tripleo_common import exception
from tripleo_common.utils import nodes

FILE = "instackenv.json"


def run(request):
    """Check the inventory."""
    try:
        written = json.loads((request.home / FILE).read_text())["nodes"]
        nodes.validate_nodes(nodes.convert_nodes_json_mac_to_ports(written))
    except (ValueError, KeyError) as error:
        return {"findings": [[FILE, f'found no inventory: {error}; write {{"nodes": [...]}}']]}
    except exception.InvalidNode as error:
        return {"findings": [[FILE, line] for line in str(error).splitlines() if line.strip()]}
    return {"findings": []}
