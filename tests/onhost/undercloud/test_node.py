"""`node.py` on the lab's undercloud, with the real ssh and a node that authorises only the key of user `stack`."""

import subprocess
from collections.abc import Iterator

import pytest

from access.nodes import NODE_PROGRAM, node_access
from access.ssh import as_stack, script
from lab.hosts.keys import STACK_KEY, keygen, public_key
from onhost import shipping
from onhost.undercloud.orders import NodeOrder, encode
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

NODE = "controller-1"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Yield a lab whose nodes are provisioned."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    lab.ok("undercloud", "useradd -m stack")
    root = lab.rack.undercloud.root
    keygen(root.tree / STACK_KEY, "stack", "rsa")
    lab.ok("undercloud", "chown -R stack: /home/stack/.ssh")
    root.write(NODE_PROGRAM, shipping.program("undercloud.node"))
    lab.provision()
    lab.rack.nodes[NODE].authorized_keys.write_text(lab.rack.stack_key)
    yield lab
    lab.stop()


def order(lab: Lab, create: str, delete: str = ":", given: str = "", key: str = "") -> NodeOrder:
    site = lab.plan.site
    key = key or public_key(lab.rack.nodes[NODE].host_key)
    host_key = f"[{lab.address(NODE)}]:{site.ssh.node_port} {key}"
    return NodeOrder(NODE, lab.address(NODE), host_key, node_access(site), create, delete, given)


def run(lab: Lab, verb: str, order: NodeOrder) -> subprocess.CompletedProcess[str]:
    return lab.run("undercloud", as_stack(f"exec python3 {NODE_PROGRAM} {verb}"), encode(order))


def test_a_script_runs_as_root_on_the_node_with_its_input(lab: Lab) -> None:
    given = 'it\'s 100 %s \\n of "text"\n'
    done = run(lab, "create", order(lab, script("cat > /root/given", "id -un", "hostname"), given=given))
    assert (done.returncode, done.stdout.split()) == (0, ["root", lab.plan.host(NODE).hostname]), done.stderr
    assert (lab.rack.nodes[NODE].root.tree / "root/given").read_text() == given


def test_delete_runs_the_delete_script(lab: Lab) -> None:
    done = run(lab, "delete", order(lab, "touch /root/made", "touch /root/undone"))
    assert done.returncode == 0, done.stderr
    root = lab.rack.nodes[NODE].root.tree / "root"
    assert (root / "undone").exists()
    assert not (root / "made").exists()


def test_a_failure_prints_the_reason_last(lab: Lab) -> None:
    done = run(lab, "create", order(lab, script("false")))
    assert (done.returncode, done.stdout) == (1, "")
    done = run(lab, "create", order(lab, script('echo "no such disk" >&2; exit 3')))
    assert (done.returncode, done.stderr) == (1, f"{NODE}: no such disk\n")


def test_a_node_with_another_host_key_is_refused(lab: Lab) -> None:
    wrong = public_key(lab.rack.undercloud.host_key)
    done = run(lab, "create", order(lab, "touch /root/entered", key=wrong))
    assert done.returncode == 1
    assert f"{NODE} cannot be reached by SSH" in done.stderr
    assert "Host key verification failed" in done.stderr
    assert not (lab.rack.nodes[NODE].root.tree / "root/entered").exists()


def test_delete_succeeds_without_effect_on_an_unreachable_node(lab: Lab) -> None:
    lab.rack.nodes[NODE].shutdown()
    try:
        done = run(lab, "delete", order(lab, ":"))
        assert (done.returncode, done.stdout) == (0, "")
        assert "nothing was undone there" in done.stderr
        assert run(lab, "create", order(lab, ":")).returncode == 1
    finally:
        lab.rack.nodes[NODE].boot()
