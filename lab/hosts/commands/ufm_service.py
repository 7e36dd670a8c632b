"""UFM as a service of its host: the systemd unit of the current form, and the release that its REST API reports."""

import json
import re

from lab.hosts.call import Call
from lab.hosts.commands.docker_containers import create, stop_container
from lab.hosts.commands.ufm_daemon import INSIDE, UFM_UNIT
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Become, Refusal
from lab.hosts.registry import UNITS, command
from lab.process import LabError

VERSION_URL = "http://127.0.0.1:8000/app/ufm_version"
"""UFM's REST API behind its web server, on its own host."""


@UNITS.register(UFM_UNIT, UfmHost)
def switch_ufm(call: Call[UfmHost], verb: str) -> None:
    """Start, stop or restart the container that the unit's file describes."""
    running = "ufm" in call.host.state.containers
    if verb in ("stop", "restart") and running:
        stop_container(call, "ufm")
    if verb == "restart" or (verb == "start" and not running):
        text = call.text(f"/etc/systemd/system/{UFM_UNIT}.service")
        found = re.search(rf"-v (\S+):{INSIDE} (\S+)", text)
        if not found:
            raise Refusal(f"Job for {UFM_UNIT}.service failed because the control process exited with error code.")
        create(call, "ufm", found[2], {found[1]: INSIDE}, rm=True)


@command("curl", UfmHost)
def curl(call: Call[UfmHost]) -> int:
    """Return UFM's release from its REST API to requests that carry X-Remote-User; run the real curl for other URLs.

    Source: rest_api.log of a real UFM, and NVIDIA's plugins, which send this request.
    """
    if [word for word in call.argv if "://" in word] != [VERSION_URL]:
        raise Become(["/usr/bin/curl", *call.argv[1:]])
    container = call.host.state.containers.get("ufm")
    if container is None or not container.running or not container.ufmd or container.starting:
        raise Refusal("curl: (7) Failed to connect to 127.0.0.1 port 8000: Connection refused", 7)
    if not any(word.startswith("X-Remote-User:") for word in call.argv):
        raise Refusal("curl: (22) The requested URL returned error: 401", 22)
    try:
        call.out(json.dumps({"ufm_release_version": call.rack.backends.ufm.release()}))
    except LabError as error:
        raise Refusal(f"curl: (7) {error}", 7) from None
    return 0
