"""A partition's name and quality of service, per release of UFM."""

from typing import Any

import pytest

from lab.ufm.faults import Rule
from providers.ufm import errors
from providers.ufm.pkey import PKeyHandler
from tests.providers.conftest import LabUfm, configuration
from tests.providers.engine import CheckFailedError, Lifecycle

A = "b8599f0300b00011"
GET, PUT, QOS = "GET /resources/pkeys/0x65", "PUT /resources/pkeys", "PUT /resources/pkeys/qos_conf"
VERSION = "GET /app/ufm_version"
FAST = {"mtu_limit": 4, "service_level": 3, "rate_limit": 200}


@pytest.fixture
def life(ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyHandler, configuration(ufm.port, ufm.ca_file))


def declared(**changes: Any) -> dict[str, Any]:
    return {"pkey": "0x65", "members": {"a/ib0": A}, "ip_over_ib": True, **changes}


def found(ufm: LabUfm) -> tuple[str, dict[str, float]]:
    partition = ufm.client.get_pkey("0x65")
    assert partition
    ufm.asked.clear()
    return partition.name, dict(partition.qos)


def test_qos_is_written_with_a_separate_call_before_6_24(life: Lifecycle, ufm: LabUfm) -> None:
    life.up(**declared(qos=FAST))
    assert ufm.calls == [GET, VERSION, PUT, GET, QOS, GET]
    assert found(ufm) == ("api_pkey_0x65", FAST)
    assert life.messages == ["PKey 0x65: its quality of service takes effect at the next restart of UFM"]
    assert life.up(**declared(qos=FAST)) == "same"
    life.up(**declared(qos={"service_level": 5}))
    assert ufm.calls == [GET, VERSION, QOS, GET], "the members are not written again"
    assert found(ufm)[1] == {**FAST, "service_level": 5}, "undeclared values are not changed"


def test_qos_is_written_with_the_members_from_6_24_on(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.core.release = "6.24.0-1"
    life.up(**declared(qos=FAST))
    assert ufm.calls == [GET, VERSION, PUT, GET]
    assert found(ufm)[1] == FAST
    assert life.messages == []


def test_drift_of_declared_values_is_shown_and_repaired(life: Lifecycle, ufm: LabUfm) -> None:
    declaration = declared(qos={"mtu_limit": 4})
    life.up(**declaration)
    ufm.client.set_qos("0x65", {"mtu_limit": 2, "service_level": 7, "rate_limit": 100})
    assert life.refresh()["qos"] == {"mtu_limit": 2}
    assert life.up(**declaration) == "update"
    assert found(ufm)[1] == {"mtu_limit": 4, "service_level": 7, "rate_limit": 100}


def test_qos_that_ufm_does_not_apply_is_an_error(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.faults.set([Rule(path="/resources/pkeys/qos_conf", status=200, body="{}")])
    with pytest.raises(errors.NotTakenError, match=r"PKey 0x65: .*mtu_limit: 2"):
        life.up(**declared(qos={"mtu_limit": 4}))
    assert ufm.client.get_pkey("0x65") is None, "a failed create is rolled back"


def test_a_partition_name_is_set_and_changed(life: Lifecycle, ufm: LabUfm) -> None:
    ufm.core.release = "6.22.0-1"
    life.up(**declared(partition_name="storage"))
    assert found(ufm)[0] == life.outputs["partition"] == "storage"
    life.up(**declared(partition_name="archive"))
    assert found(ufm)[0] == "archive"
    ufm.client.set_guids("0x65", [A], partition_name="other", ip_over_ib=True)
    assert life.refresh()["partition_name"] == "other"
    assert life.up(**declared(partition_name="archive")) == "update"


def test_a_partition_name_is_refused_before_any_write_by_an_older_release(life: Lifecycle, ufm: LabUfm) -> None:
    text = r"UFM 6\.19\.3-1 does not support partition_name, which needs 6\.22 or later"
    with pytest.raises(errors.UnsupportedError, match=text):
        life.up(**declared(partition_name="storage"))
    assert PUT not in ufm.calls


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"qos": {"mtu_limit": 3}}, "qos.mtu_limit"),
        ({"qos": {"mtu_limit": True}}, "qos.mtu_limit"),
        ({"qos": {"speed": 1}}, "qos.speed"),
        ({"qos": "fast"}, "qos."),
        ({"qos": {"mtu_limit": 4}, "ownership": "additive"}, "qos"),
        ({"partition_name": "with space"}, "partition_name"),
        ({"partition_name": "x", "ownership": "additive"}, "partition_name"),
    ],
)
def test_check_refuses_invalid_qos_and_names(life: Lifecycle, ufm: LabUfm, change: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckFailedError) as caught:
        life.checked(**declared(**change))
    assert set(caught.value.failures) == {named}
    assert ufm.calls == []
