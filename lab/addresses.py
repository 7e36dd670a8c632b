"""Every address, port and path of the lab that the stack's configuration does not name. One place for all four parts.

What the program itself sees (the hosts' SSH addresses, UFM's URL) stands in `Pulumi.dev.yaml` and reaches the lab
through the plan; what only the lab's insides use stands here. Everything listens on loopback.

This module needs the standard library only: nova's virt driver in the cloud's own virtual environment reads it too.
"""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout: holds Pulumi.yaml."""

STATE = Path(os.environ.get("RACK_LAB_DIR", PROJECT / ".lab")).resolve()
"""Everything the lab writes lies below this folder; removing it after `make lab-stop` forgets the lab."""

LOOPBACK = "127.0.0.1"

FABRIC_SOCKET = STATE / "fabric" / "control.sock"
"""Unix socket of the fabric's controller: see `lab.fabric.client`."""

UFM_ADMIN_PORT = 18081
"""Plain HTTP, loopback: the lab's own handle on UFM (install, remove, restart, state, request log)."""

UFM_CA = STATE / "ufm" / "ca.pem"
"""The certificate authority that UFM's HTTPS certificate chains to."""

SSH_KEY = STATE / "hosts" / "id_ed25519"
"""The operator's key: authorised on every lab host."""

SSH_KNOWN_HOSTS = STATE / "hosts" / "known_hosts"
"""The host keys of the UFM node and the undercloud, which the operator knows beforehand."""

HOSTS_SOCKET = STATE / "hosts" / "keeper.sock"
"""Unix socket of the hosts' keeper, for `make lab-status` and tests; each host's root has one of its own."""

KEYSTONE_PORT = 15000
GLANCE_PORT = 19292
PLACEMENT_PORT = 18778
NOVA_PORT = 18774
NEUTRON_PORT = 19696
RABBIT_PORT = 15673
RABBIT_DIST_PORT = 15674
EPMD_PORT = 14369
MYSQL_PORT = 13306
