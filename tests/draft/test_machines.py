"""Nodes from a table and from TripleO's inventory."""

import json
from pathlib import Path
from typing import Any

import pytest

from draft.machines import MachinesError, read
from rack.plan import Plan
from rack.site import load
from rack.tripleo import undercloud
from tests.rack.sites import ROOT

NODE = {
    "name": "compute-1",
    "role": "ComputeSriovIB",
    "address": "192.168.24.21",
    "guid": "b8599f0300b00041",
    "mac": "3c:ec:ef:00:00:21",
    "ipmi": {"address": "192.168.23.21", "user": "root"},
}


def table(folder: Path, text: str | bytes) -> Path:
    file = folder / "nodes.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


HEAD = "name,role,address,guid,mac,ipmi.address,ipmi.user\n"


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}compute-1,ComputeSriovIB,192.168.24.21,b8599f0300b00041,3c:ec:ef:00:00:21,192.168.23.21,root\n",
        f"{HEAD}compute-1,,192.168.24.21,0xB8599F0300B00041,3c:ec:ef:00:00:21,192.168.23.21,root\n\n",
        "BMC user;BMC;PXE MAC;Port GUID;IP;Hostname;profile\n"
        "root;192.168.23.21;3c:ec:ef:00:00:21;b859:9f03:00b0:0041;192.168.24.21;compute-1;compute\n",
        "\ufeffname\trole\taddress\tguid\tmac\tpm_addr\tpm_user\r\n"
        "compute-1\tcompute\t192.168.24.21\tb8599f0300b00041\t3c:ec:ef:00:00:21\t192.168.23.21\troot\r\n",
    ],
    ids=["plain", "role from the name", "semicolons and other headings", "tabs from a spreadsheet"],
)
def test_a_table(tmp_path: Path, text: str) -> None:
    assert read(table(tmp_path, text)).nodes == [NODE]


def test_an_index_and_omitted_values(tmp_path: Path) -> None:
    assert read(table(tmp_path, "name,index,guid\ngpu7,7,\n")).nodes == [{"name": "gpu7", "index": 7}]


WRONG = {
    "no file": (None, "nodes.csv: cannot read the nodes: No such file or directory; write the path of a file"),
    "no text": (b"\xff\xfe", "nodes.csv: cannot read the nodes: it is not UTF-8 text; write the path of a file"),
    "empty": ("", "nodes.csv: found no line; write a line with the columns name, role"),
    "no node": ("name\n", "nodes.csv: found no node; write one per line or element"),
    "unknown column": ("name,colour\n", "nodes.csv:1: found the column 'colour'; write some of name, role"),
    "too many values": ("name\na,b\n", "nodes.csv:2: found 2 values for 1 columns; remove some"),
    "GUID": ("name,guid\na,1234\n", "nodes.csv:2: guid: found '1234'; write a port GUID of 16 hex digits"),
    "role": ("name,role\na,storage\n", "nodes.csv:2: role: found 'storage'; write one of Controller, ComputeSriovIB"),
    "address": ("name,IP\na,10.0.0.300\n", "nodes.csv:2: IP: found '10.0.0.300'; write an IPv4 address"),
    "name": ("name\nGPU_1\n", "nodes.csv:2: name: found 'GPU_1'; write a name of up to 40 lower-case letters"),
}


@pytest.mark.parametrize(("text", "says"), WRONG.values(), ids=WRONG)
def test_a_table_is_refused_with_line_and_column(tmp_path: Path, text: str | bytes | None, says: str) -> None:
    file = tmp_path / "nodes.csv" if text is None else table(tmp_path, text)
    with pytest.raises(MachinesError) as error:
        read(file)
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(says)


def test_every_wrong_value_of_a_table_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MachinesError) as error:
        read(table(tmp_path, "name,mac\nA,x\nB,y\n"))
    assert len(str(error.value).splitlines()) == 4


def inventory(folder: Path, content: Any) -> Path:
    file = folder / "instackenv.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_the_inventory_that_the_program_writes_is_read_back(tmp_path: Path) -> None:
    site = load.load_stack_file(ROOT / "Pulumi.reference.yaml")
    own = {node.name: f"pw-{node.name}" for node in site.nodes}
    found = read(inventory(tmp_path, undercloud.instackenv(Plan(site), "calvin", own)))
    assert found.nodes == [
        {
            "name": node.name,
            "role": str(node.role),
            "mac": node.mac,
            "ipmi": {"address": str(node.ipmi.address), "user": node.ipmi.user},
        }
        for node in site.nodes
    ]
    assert found.passwords == own
    assert "pw-" not in repr(found)


@pytest.mark.parametrize(
    "node",
    [
        {"name": "compute-1", "mac": ["3c:ec:ef:00:00:21"], "capabilities": "boot_option:local,profile:compute"},
        {"name": "compute-1", "mac": "3c:ec:ef:00:00:21", "capabilities": {"profile": "compute"}},
        {"name": "compute-1", "ports": [{"address": "3c:ec:ef:00:00:21"}]},
    ],
    ids=["list of addresses", "mapping of capabilities", "role from the name"],
)
@pytest.mark.parametrize("listed", [False, True])
def test_older_forms_of_an_inventory(tmp_path: Path, node: dict[str, Any], listed: bool) -> None:
    found = read(inventory(tmp_path, [node] if listed else {"nodes": [node]}))
    assert found.nodes == [{"name": "compute-1", "role": "ComputeSriovIB", "mac": "3c:ec:ef:00:00:21"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "instackenv.json: found text that is not JSON"),
        ({"nodes": {}}, "instackenv.json: nodes: found no list of nodes"),
        (
            {"nodes": [{"name": "a", "mac": ["x"]}]},
            "instackenv.json: nodes[0].mac: found 'x'; write an Ethernet address",
        ),
        (
            {"nodes": [{"name": "a", "pm_addr": "bmc-1"}]},
            "instackenv.json: nodes[0].pm_addr: found 'bmc-1'; write",
        ),
    ],
    ids=repr,
)
def test_an_inventory_is_refused_with_the_place(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(MachinesError) as error:
        read(inventory(tmp_path, content))
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(says)
