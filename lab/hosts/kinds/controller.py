"""A controller of the overcloud (O6, T4, T7)."""

from lab.hosts.kinds.node import Node
from lab.hosts.state import ControllerState


class Controller(Node):
    """A controller. All controllers share the lab's one Neutron."""

    kind = "controller"
    state_type = ControllerState
    state: ControllerState
    external_wired = True
    containers = (
        "neutron_api",
        "neutron_dhcp",
        "neutron_l3_agent",
        "nova_api",
        "nova_scheduler",
        "keystone",
        "glance_api",
        "haproxy-bundle-podman-0",
    )

    def receive_guest_key(self, key: str) -> None:
        """Store the key where root's ssh finds it."""
        file = self.root.tree / "root/.ssh/id_ed25519"
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(key)

    def lose_volatile_state(self) -> None:
        """Join the cluster again at the next boot, as TripleO configures it."""
        self.state.cluster_stopped = False
