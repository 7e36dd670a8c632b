"""Addresses, ports and paths of the lab that are not in the stack's configuration.

The addresses that the program itself uses (the hosts' SSH addresses, UFM's URL) are in `Pulumi.dev.yaml` and reach the
lab through the plan. All ports are on loopback.

Standard library only: nova's virt driver loads this file in the cloud's own virtual environment.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: the folder of Pulumi.yaml."""

STATE = Path(os.environ.get("RACK_LAB_DIR", PROJECT / ".lab")).resolve()
"""Everything that the lab writes is below this folder. Remove it after `make lab-stop` to reset the lab."""

LOOPBACK = "127.0.0.1"

FABRIC_SOCKET = STATE / "fabric" / "control.sock"
"""Unix socket of the fabric's controller, see `lab.fabric.client`."""

UFM_ADMIN_PORT = 18081
"""Plain HTTP: the lab's admin API of UFM (install, remove, restart, state, request log)."""

SSH_KEY = STATE / "hosts" / "id_ed25519"
"""The operator's private key, authorised on every lab host."""

SSH_KNOWN_HOSTS = STATE / "hosts" / "known_hosts"
"""The host keys of the UFM host and the undercloud, which the operator pins."""

HOSTS_SOCKET = STATE / "hosts" / "keeper.sock"
"""Unix socket of the hosts' keeper, for `make lab-status` and tests. Each host has another one in its root."""

KEYSTONE_PORT = 15000
GLANCE_PORT = 19292
PLACEMENT_PORT = 18778
NOVA_PORT = 18774
NEUTRON_PORT = 19696
RABBIT_PORT = 15673
RABBIT_DIST_PORT = 15674
EPMD_PORT = 14369
MYSQL_PORT = 13306
