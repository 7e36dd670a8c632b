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
        "galera-bundle-podman-0",
    )

    def lose_volatile_state(self) -> None:
        """Join the cluster again at the next boot, as TripleO configures it."""
        self.state.cluster_stopped = False
