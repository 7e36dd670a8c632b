"""The containers of a deployment on its nodes: startup configuration, images, and the units that keep them running."""

import json
from collections.abc import Mapping, Sequence
from functools import partial, update_wrapper
from typing import Any

from lab.hosts.call import Call
from lab.hosts.kinds.compute import Compute
from lab.hosts.kinds.controller import Controller
from lab.hosts.kinds.node import Node
from lab.hosts.registry import UNITS
from lab.hosts.state import Unit
from lab.process import LabError

STARTUP = "/var/lib/tripleo-config/container-startup-config/step_4/{}.json"
"""Source: tripleo-ansible, `container_startup_config`: one JSON file per container, mode 0600."""
UNIT = "tripleo_{}"
"""Source: tripleo-ansible, role tripleo_container_manage: a unit per container with `restart: always`."""
UNIT_FILE = """\
[Unit]
Description={0} container
[Service]
Restart=always
ExecStart=/usr/bin/podman start {0}
ExecStop=/usr/bin/podman stop -t 42 {0}
KillMode=process
Type=forking
[Install]
WantedBy=multi-user.target
"""
REGISTRY = "undercloud.ctlplane:8787"
"""Where `push_destination: true` puts the images."""
NAMES = {
    "neutron_api": "neutron-server",
    "neutron_dhcp": "neutron-dhcp-agent",
    "neutron_ovs_agent": "neutron-openvswitch-agent",
}
"""Images whose name is not that of the container (tripleo-common, container_images/tripleo_containers.yaml)."""
NOVA = "nova_compute"
BUNDLE = "-bundle-"
"""Part of the names of pacemaker's containers, which no unit keeps running."""


def start_all(node: Node, parameters: Mapping[str, Any]) -> None:
    """Write startup configuration and units, and start what does not run. A second deployment changes images."""
    images = {name: image(name, parameters.get("ContainerImagePrepare") or ()) for name in node.containers}
    kept = [name for name in node.containers if BUNDLE not in name]
    for name in kept:
        config = {"image": images[name], "restart": "always", "net": "host"}
        path = STARTUP.format(name)
        node.root.write(path, json.dumps(config, indent=2))
        (node.root.tree / path.lstrip("/")).chmod(0o600)
        node.root.write(f"/etc/systemd/system/{UNIT.format(name)}.service", UNIT_FILE.format(name))
    with node.change():
        node.state.container_images, node.state.stopped = images, []
        for name in kept:
            node.state.units[UNIT.format(name)] = Unit(active=True, enabled=True, from_file=True)


def image(container: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the image of a container by ContainerImagePrepare: of the entry that includes it, else of the first."""
    if BUNDLE in container:
        return f"cluster.common.tag/{container.partition('-')[0]}:pcmklatest"
    stem = NAMES.get(container, container.replace("_", "-"))
    entry = next((e for e in entries if stem in e.get("includes", ())), next(iter(entries), {}))
    chosen = entry.get("set", {})
    path = str(chosen.get("namespace", "quay.io/tripleowallaby")).partition("/")[2]
    prefix, suffix = chosen.get("name_prefix", "openstack-"), chosen.get("name_suffix", "")
    tag = f"{chosen.get('tag', 'current-tripleo')}{entry.get('modify_append_tag', '')}"
    return f"{REGISTRY}/{path}/{prefix}{stem}{suffix}:{tag}"


def switch(call: Call[Node], verb: str, name: str) -> None:
    """Start or stop a container."""
    with call.host.change():
        others = set(call.host.state.stopped) - {name}
        call.host.state.stopped = sorted({*others, name} if verb == "stop" else others)


@UNITS.register(UNIT.format(NOVA), Compute)
def switch_nova(call: Call[Compute], verb: str) -> None:
    """Start or stop nova-compute, which is a process of the lab's cloud."""
    compute, cloud = call.host, call.rack.backends.cloud
    try:
        if verb == "stop":
            cloud.stop_compute(compute.state.hostname, print)
            compute.set_nova("stopped")
        else:
            cloud.restart_compute(compute.state.hostname, compute.hardware(), print)
            compute.set_nova("healthy")
    except LabError as error:
        print(f"{compute.name}: nova-compute: {error}", flush=True)


for _kind in (Compute, Controller):
    for _name in _kind.containers:
        if _name != NOVA:
            UNITS.register(UNIT.format(_name), _kind)(update_wrapper(partial(switch, name=_name), switch))
