"""Stops and starts the services that a run depends on."""

from collections.abc import Callable, Mapping

import requests

from harness.runs import PROJECT
from lab import addresses
from lab.cloud import deployment, processes
from lab.hosts.rack import machines
from lab.inventory import inventory_plan
from lab.process import Process

Switch = Callable[[bool], None]
"""Starts (True) or stops a service; returns when the service answers, or has ended."""


def _ssh(host: str) -> Switch:
    def switch(on: bool) -> None:
        found = machines(inventory_plan(PROJECT / "Pulumi.dev.yaml"), addresses.STATE / "hosts")
        server = next(machine.sshd for machine in found if machine.name == host)
        if on:
            server.start()
        else:
            server.stop()

    return switch


def _ufm(on: bool) -> None:
    url = f"http://127.0.0.1:{addresses.UFM_ADMIN_PORT}/{'start' if on else 'stop'}"
    requests.post(url, timeout=60)  # 409 while UFM is not installed: then there is nothing to stop


def _cloud(find: Callable[[], Process]) -> Switch:
    def switch(on: bool) -> None:
        if not on:
            find().stop()
            return
        with deployment.exclusive():
            deployment.start_base()
            deployed = deployment.current()
            if deployed is not None:
                deployment.start(deployed, lambda line: None)

    return switch


SERVICES: Mapping[str, Switch] = {
    "SSH of the undercloud": _ssh("undercloud"),
    "UFM": _ufm,
    "keystone": _cloud(processes.keystone),
    "glance": _cloud(processes.glance),
    "MariaDB": _cloud(processes.mariadb),
    "nova": _cloud(lambda: processes.nova_controllers()[-1].process),
    "neutron": _cloud(lambda: processes.neutron().process),
}
"""What operators see failing → its switch."""
