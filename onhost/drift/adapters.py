"""The adapter of a node, and ACS on the bridges above it. Nothing is set and no tool is installed."""

import shutil
from glob import glob
from pathlib import Path
from typing import Any, Dict

from onhost.drift.orders import AdapterLook
from onhost.drift.units import LookError, output
from onhost.undercloud.pcie import BRIDGES


def adapter_facts(look: AdapterLook) -> Dict[str, Any]:
    """Return the firmware's release and settings, as their tools print them, and the bridges.

    Raises:
        LookError: the node has none of the tools, or a tool fails.
    """
    device = look.device if look.device.count(":") == 2 else f"0000:{look.device}"
    versions = glob(f"/sys/bus/pci/devices/{device}/infiniband/*/fw_ver")  # noqa: PTH207 - the pattern is absolute
    tools = [tool for tool in look.tools if shutil.which(tool)]
    if not tools:
        raise LookError(f"no {' and no '.join(look.tools)} on the node")
    return {
        "release": Path(versions[0]).read_text().strip() if versions else "none",
        "settings": output(tools[0], "-d", look.device, "-e", "query"),
        "bridges": output("sh", "-c", BRIDGES.format(device=look.device, gpu=look.gpu)) if look.gpu else "",
    }
