"""Steps that run again as they are."""

import pytest

from review.preview import Change
from review.steps import Step

FILE = "install -D -T -o stack -g stack -m 0644 /dev/stdin /home/stack/undercloud.conf"


def step(before: str, after: str, **stdin: str) -> Step:
    inputs = ({"create": before, "stdin": "a"}, {"create": after, "stdin": stdin.get("stdin", "a")})
    paths = frozenset({"create", *stdin})
    return Step(Change("update", "urn", "command:remote:Command", "x", "", *inputs, (), paths))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (FILE, f": repair 1\n{FILE}"),
        (f": repair 1\n{FILE}", f": repair 2\n{FILE}"),
        (f"sudo -n sh -c '{FILE}'", f"sudo -n sh -c ': repair 1\n{FILE}'"),
        ("/opt/rack-ufm folders", ": repair 1\n/opt/rack-ufm folders"),
    ],
)
def test_a_counter_only_makes_a_step_run_again(before: str, after: str) -> None:
    """See access.repair."""
    assert step(before, after).repeated_only


def test_a_file_with_a_counter_keeps_its_path() -> None:
    assert step(FILE, f": repair 1\n{FILE}").path == "/home/stack/undercloud.conf"


def test_a_counter_and_another_content_are_a_change() -> None:
    assert not step(FILE, f": repair 1\n{FILE}", stdin="b").repeated_only


def test_a_job_with_another_counter_is_another_job() -> None:
    """It deploys again, which restarts services."""
    job = "/opt/rack-job run overcloud-deploy {}sudo -Hu stack sh -c 'x'"
    assert not step(job.format(""), job.format("env repair=1 ")).repeated_only
