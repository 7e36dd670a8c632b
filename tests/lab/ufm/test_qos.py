"""A partition's MTU, rate and service level: from the REST call to OpenSM's answers to members."""

import re
from typing import Any

import pytest

from lab.fabric.tools import Diagnostics
from lab.ufm.partitions import MTU_CODES, RATES, Qos
from tests.lab.fabric.rig import GUIDS
from tests.lab.ufm.conftest import Rig, Session

COMPUTE = GUIDS["compute-1"].removeprefix("0x")
FIRST = {"mtu_limit": 4, "service_level": 3, "rate_limit": 200}
SECOND = {"mtu_limit": 2, "service_level": 5, "rate_limit": 2.5}
DEFAULT = {"mtu_limit": 2, "service_level": 0, "rate_limit": 2.5}


def body(**fields: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "guids": [COMPUTE], **fields}


def shown(rest: Session) -> dict[str, Any]:
    qos: dict[str, Any] = rest.get("/resources/pkeys/0x65?qos_conf=true").json()["qos_conf"]
    return qos


def in_group(ufm: Rig) -> dict[str, float]:
    """Return the values of the partition's IPoIB broadcast group, queried from a member, in UFM's terms."""
    ufm.programmed()
    member = Diagnostics(ufm.folder / "fabric", "compute-1")
    record = member.run("saquery", "MCMR", "--mgid", "ff12:401b:8065::ffff:ffff")
    code = {name: int(value, 16) & 0x3F for name, value in re.findall(r"(mtu|rate|SL)\.+(0x\w+)", record)}
    mtus = {code: limit for limit, code in MTU_CODES.items()}
    return {"mtu_limit": mtus[code["mtu"]], "service_level": code["SL"], "rate_limit": RATES[code["rate"] - 2]}


def on_path(ufm: Rig) -> int:
    """Return the service level of a path between two members."""
    ufm.programmed()
    lids = {port.name: str(port.lid) for port in ufm.diagnostics.ports()}
    ends = "--slid", lids["compute-1"], "--dlid", lids["controller-1"]
    record = ufm.diagnostics.run("saquery", "PR", *ends, "--pkey", "0x8065")
    found = re.search(r"\bsl\.+(0x\w+)", record)
    assert found, record
    return int(found[1], 16)


@pytest.mark.parametrize(
    ("gbps", "code"),
    # `enum ib_rate` of Linux' include/rdma/ib_verbs.h.
    [(2.5, 2), (10, 3), (30, 4), (5, 5), (20, 6), (40, 7), (60, 8), (80, 9), (120, 10), (14, 11), (56, 12), (112, 13),
     (168, 14), (25, 15), (100, 16), (200, 17), (300, 18)],
)  # fmt: skip
def test_flags_have_opensm_s_code_of_every_rate(gbps: float, code: int) -> None:
    assert Qos(rate_limit=gbps).flags() == f"rate={code},mtu=4,sl=0"


@pytest.mark.lab
@pytest.mark.parametrize("how", ["PUT", "add"])
def test_qos_of_a_new_partition_applies_at_once(ufm: Rig, rest: Session, how: str) -> None:
    if how == "PUT":
        rest.put("/resources/pkeys", json=body(**FIRST))
    else:
        rest.post("/resources/pkeys/add", json={"pkey": "0x65", **FIRST})
        rest.post("/resources/pkeys", json=body())
    assert shown(rest) == in_group(ufm) == FIRST


@pytest.mark.lab
def test_a_partition_has_ufm_s_default_qos(ufm: Rig, rest: Session) -> None:
    rest.post("/resources/pkeys", json=body())
    assert shown(rest) == in_group(ufm) == DEFAULT


@pytest.mark.lab
def test_a_put_changes_paths_at_once_and_the_group_after_a_restart(ufm: Rig, rest: Session) -> None:
    members = [COMPUTE, GUIDS["controller-1"].removeprefix("0x")]
    rest.put("/resources/pkeys", json=body(guids=members, **FIRST))
    assert on_path(ufm) == 3
    rest.put("/resources/pkeys", json=body(guids=members, **SECOND))
    assert shown(rest) == SECOND
    assert on_path(ufm) == 5
    assert in_group(ufm) == FIRST, "OpenSM does not change an existing group"
    ufm.admin("POST", "/restart")
    assert shown(rest) == in_group(ufm) == SECOND
    rest.put("/resources/pkeys", json=body(guids=members))
    assert shown(rest) == SECOND, "a PUT without QoS keeps the values"


@pytest.mark.lab
def test_qos_conf_applies_after_ufm_s_next_start(ufm: Rig, rest: Session) -> None:
    members = [COMPUTE, GUIDS["controller-1"].removeprefix("0x")]
    rest.put("/resources/pkeys", json=body(guids=members, **FIRST))
    assert rest.put("/resources/pkeys/qos_conf", json={"pkey": "0x65", **SECOND}).status_code == 200
    assert shown(rest) == SECOND, "the REST API shows the values at once"
    assert (on_path(ufm), in_group(ufm)) == (3, FIRST)
    rest.post("/resources/pkeys", json=body(guids=[f"{7:016x}"]))
    assert on_path(ufm) == 3, "another write does not apply them"
    ufm.admin("POST", "/restart")
    assert (on_path(ufm), in_group(ufm)) == (5, SECOND)
    assert {0xFFFF, 0x8065} == ufm.pkeys("compute-1")
