"""A reboot of UFM's node: the fabric interface's address is lost, and the unit restores it (U3)."""

from components.ufm_host import PROGRAM, step
from lab.process import until
from onhost import shipping
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS


def reboot(lab: Lab) -> None:
    boot_id = "cat /proc/sys/kernel/random/boot_id"
    before = lab.ok("ufm", boot_id)
    lab.run("ufm", "reboot")

    def back() -> bool:
        done = lab.run("ufm", boot_id)
        return done.returncode == 0 and done.stdout != before

    assert until(back, 30), "the host does not come back"


def test_the_fabric_address_survives_a_reboot(lab: Lab) -> None:
    host = lab.plan.site.ufm.host
    assert host
    name, address, link = host.fabric_interface, f" {host.fabric_address} ", lab.rack.ufm.state.interfaces
    lab.ok("ufm", f"ip address add{address}dev {name}; ip link set {name} up")
    reboot(lab)
    assert not link[name].up, "without a unit, a reboot loses both"
    assert not link[name].addresses, "without a unit, a reboot loses both"
    lab.ok("ufm", f"install -D -m 0755 /dev/stdin {PROGRAM}", shipping.shell_program("ufm"))
    lab.ok("ufm", step(lab.plan.site, "folders"))
    lab.ok("ufm", step(lab.plan.site, "address"))
    reboot(lab)
    assert until(lambda: link[name].up, 10)
    assert address in lab.ok("ufm", f"ip -o -4 address show dev {name}")
    lab.ok("ufm", step(lab.plan.site, "remove"))
    assert lab.run("ufm", "test -e /etc/systemd/system/rack-fabric-address.service").returncode == 1
    assert not link[name].up
    assert not link[name].addresses
