"""Values that follow from the whole site: SSH user and indexes."""

from typing import Any

import pytest

from tests.rack.rules.cases import RHOSP
from tests.rack.sites import unchecked


@pytest.mark.parametrize(
    ("edits", "user"),
    [({}, "tripleo-admin"), (RHOSP, "tripleo-admin"), ({"ssh.overcloudUser": "cloud-user"}, "cloud-user")],
)
def test_the_overcloud_user_is_the_deployments_or_the_configured_one(edits: dict[str, Any], user: str) -> None:
    assert unchecked(edits).ssh.overcloud_user == user


def test_indexes_count_within_the_role_and_continue_after_a_chosen_one() -> None:
    assert unchecked({}).indexes == (0, 1, 2, 0, 1)
    assert unchecked({"nodes[1].index": 7, "nodes[3].index": 0}).indexes == (0, 7, 8, 0, 1)
