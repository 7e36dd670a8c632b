"""Steps on overcloud nodes, which only the undercloud can enter."""

from dataclasses import replace

from access.nodes import NODE_PROGRAM
from onhost.undercloud.orders import NodeOrder, SshAccess
from rack.plan import Plan
from tests.components.conftest import (
    HOST_KEY,
    deploy,
    record,
)
from tests.components.test_undercloud import REPOSITORY


def test_steps_of_nodes_run_through_the_undercloud_with_the_node_s_pinned_key(plan: Plan) -> None:
    own = plan.site.undercloud.model_copy(update={"repositories": (REPOSITORY,)})
    mirrored = replace(plan, site=plan.site.model_copy(update={"undercloud": own}))
    rack = record(mirrored, lambda operator: deploy(mirrored, operator) and None)
    for host in plan.hosts:
        step = rack.resources[f"overcloud-repositories-{host.name}"].inputs
        order = NodeOrder.decode(step["stdin"])
        assert (order.address, order.host_key) == (str(host.address), f"[{host.address}]:2222 {HOST_KEY}")
        assert order.ssh == SshAccess("tripleo-admin", 2222, "overcloud")
        assert step["create"].splitlines()[-1] == f"exec python3 {NODE_PROGRAM} create'"
        assert step["delete"].splitlines()[-1] == f"exec python3 {NODE_PROGRAM} delete'"
