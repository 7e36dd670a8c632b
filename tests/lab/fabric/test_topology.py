"""Topologies: validation, and ibsim's net file. test_fabric.py proves that ibsim accepts the file."""

import re
from dataclasses import replace

import pytest

from lab.fabric.state import dump_topology, load_topology
from lab.fabric.topology import Hca, Switch, Topology, Trunk, guid, net_file, text
from tests.lab.fabric.rig import fat_tree, rack

SWITCH = Switch("sw", "a0", 4)
UFM = Hca("ufm", "0xb1", "sw", 1)


@pytest.mark.parametrize(
    "spelling", ["0xb8599f0300b00011", "b8599f0300b00011", "B8599F0300B00011", "b8:59:9f:03:00:b0:00:11"]
)
def test_every_notation_of_a_guid_is_accepted(spelling: str) -> None:
    assert text(spelling) == "0xb8599f0300b00011"


@pytest.mark.parametrize("spelling", ["", "ib0", "0x0", "1", "0x1ffffffffffffffff", -5])
def test_an_invalid_guid_is_refused(spelling: str | int) -> None:
    with pytest.raises(ValueError, match="is not a GUID"):
        guid(spelling)


@pytest.mark.parametrize(
    ("hcas", "trunks", "complaint"),
    [
        ([Hca("ufm", "b3", "sw", 2)], [], "name 'ufm' is used twice"),
        ([Hca("a", "b1", "sw", 2)], [], "node GUID .* is used twice"),
        ([Hca("a", "b3", "sw", 1)], [], "switch port .* is used twice"),
        ([Hca("a", "b3", "sw", 5)], [], "no port 5"),
        ([Hca("a", "b3", "other", 1)], [], "'other' has no port 1"),
        ([Hca('a" b', "b3", "sw", 2)], [], "letters"),
        ([Hca("a" * 41, "b3", "sw", 2)], [], "1 to 40"),
        ([Hca("vf", "b3", "sw", 2, "nobody", 0)], [], "needs the name of its host"),
        ([Hca("vf", "b3", "sw", 2, "ufm")], [], "an index"),
        ([], [Trunk("sw", 2, "sw", 2)], "used twice"),
        ([], [Trunk("sw", 2, "spine", 1)], "'spine' has no port"),
    ],
)
def test_an_invalid_topology_is_refused(hcas: list[Hca], trunks: list[Trunk], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Topology((SWITCH,), (UFM, *hcas), "ufm", tuple(trunks))


def test_the_manager_must_be_a_host() -> None:
    with pytest.raises(ValueError, match="manager"):
        replace(rack(), manager="compute-1-vf-0")


def test_a_dumped_topology_is_loaded_unchanged() -> None:
    topology = fat_tree(3, 2, 2)
    assert load_topology(dump_topology(topology)) == topology


def test_every_link_is_listed_at_both_ends() -> None:
    """ibsim refuses a file in which a link is listed at one end only."""
    node, ends = "", set()
    for line in net_file(fat_tree(3, 2, 2)).splitlines():
        if header := re.match(r'(?:Switch|Hca)\t\d+ "(.*)"', line):
            node = header[1]
        elif link := re.match(r'\[(\d+)\]\t"(.*)"\[(\d+)\]', line):
            ends.add((node, int(link[1]), link[2], int(link[3])))
    assert len(ends) == 2 * (3 * 2 + 3 * 2)
    assert {(peer, peer_port, node, port) for node, port, peer, peer_port in ends} == ends


def test_a_vf_has_the_system_guid_of_its_host() -> None:
    records = net_file(rack()).split("\n\n")
    host = next(r for r in records if 'Hca\t1 "compute-1"' in r)
    vf = next(r for r in records if '"compute-1-vf-1"' in r.partition("Hca")[2].splitlines()[0])
    system = re.compile("^sysimgguid=.*$", re.MULTILINE)
    assert system.findall(host) == system.findall(vf)
