"""The emulated commands, a module an area. Importing this package registers them (`lab.hosts.call.COMMANDS`)."""

from lab.hosts.commands import (
    common,
    compute,
    controller,
    deploy,
    docker,
    guest,
    images,
    interfaces,
    ironic,
    nova,
    openstack,
    scale,
    ufm,
    undercloud,
)

__all__ = [
    "common",
    "compute",
    "controller",
    "deploy",
    "docker",
    "guest",
    "images",
    "interfaces",
    "ironic",
    "nova",
    "openstack",
    "scale",
    "ufm",
    "undercloud",
]
