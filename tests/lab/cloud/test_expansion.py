"""`expand` turns node-info into instances as tripleo-ansible does."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.cloud.expansion import Instance, expand
from lab.process import LabError


def hostnames(*roles: dict[str, Any], provisioned: bool = True) -> list[str]:
    return [instance.hostname for instance in expand(roles, "overcloud") if instance.provisioned == provisioned]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    names=st.lists(st.sampled_from(["overcloud-x-0", "overcloud-x-1", "other"]), unique=True, max_size=3),
    more=st.integers(0, 4),
)
def test_expand_returns_count_unique_host_names(names: list[str], more: int) -> None:
    group = {"name": "X", "count": len(names) + more, "instances": [{"hostname": name} for name in names]}
    found = hostnames({**group, "hostname_format": "%stackname%-x-%index%"})
    assert found[: len(names)] == names
    assert len(found) == len(set(found)) == len(names) + more


def test_an_instance_without_hostname_has_its_node_s_name_and_counts_as_an_index() -> None:
    role = {"name": "Controller", "count": 2, "instances": [{"name": "controller-1"}]}
    assert hostnames(role) == ["controller-1", "overcloud-controller-1"]
    assert hostnames({"name": "Compute"}) == ["overcloud-novacompute-0"]


def test_the_host_name_of_a_removed_instance_is_not_used_again() -> None:
    leaving = {"hostname": "overcloud-x-0", "name": "a", "provisioned": False}
    role = {"name": "X", "count": 1, "instances": [leaving]}
    assert expand([role], "overcloud") == [
        Instance("X", "overcloud-x-0", "a", provisioned=False),
        Instance("X", "overcloud-x-1", None),
    ]
    assert hostnames({**role, "count": 0}) == []
    assert hostnames({**role, "count": 0}, provisioned=False) == ["overcloud-x-0"]


A, B = {"hostname": "h", "name": "a"}, {"hostname": "i", "name": "b"}


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ({"count": 1}, "'name' is a required property"),
        ({"name": "X", "count": "2"}, "X: count: '2' is not of type 'integer'"),
        ({"name": "X", "count": 1, "instances": [A, B]}, "number of instance entries 2 cannot be greater than count 1"),
        ({"name": "X", "count": 2, "instances": [A, {**B, "hostname": "h"}]}, "Hostname h is used more than once"),
        ({"name": "X", "count": 2, "instances": [A, {**B, "name": "a"}]}, "Node a is requested more than once"),
        ({"name": "X", "defaults": {"provisioned": False}}, "X: cannot specify provisioned in defaults"),
        ({"name": "X", "hostname_format": "x"}, "hostname_format x must contain %index%"),
        ({"name": "X", "instances": ["a"]}, "is not of type 'array' of 'object'"),
    ],
)
def test_invalid_node_info_is_refused(role: dict[str, Any], says: str) -> None:
    with pytest.raises(LabError, match=says):
        expand([role], "overcloud")
