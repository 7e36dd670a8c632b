"""`PKeyOwner` and `PKeyOwnerGuard`: who may write and delete PKeys, against the lab's UFM."""

import pytest
from pulumi.output import Unknown

from lab.ufm.faults import Rule
from providers.ufm import UfmError
from providers.ufm.errors import OwnedError, RejectedError
from providers.ufm.handler import ResourceHandler
from providers.ufm.owner import PKeyMark, PKeyOwnerGuardHandler, PKeyOwnerHandler
from tests.providers.conftest import LabUfm, Start, configuration
from tests.providers.engine import CheckFailedError, Lifecycle
from tests.providers.server import Answer

FIRST, SECOND = "1a2b3c4d", "99999999"
PKEYS = ["0xb", "0x65"]
UNKNOWN = Unknown()  # type: ignore[no-untyped-call]
GROUPS = {"pulumi_pkey_0x65", "pulumi_pkey_0xb"}
WRITES = ("POST", "PUT", "DELETE")


def life_of(ufm: LabUfm, stack: str = "rack/dev", kind: type[ResourceHandler] = PKeyOwnerHandler) -> Lifecycle:
    return Lifecycle(kind, configuration(ufm.port, ufm.ca_file), stack=stack, pauses=(0, 0))


def writes(ufm: LabUfm) -> list[str]:
    return [call for call in ufm.calls if call.startswith(WRITES)]


def marks(ufm: LabUfm) -> dict[str, PKeyMark | None]:
    return {name: PKeyMark.parse(text) for name, text in ufm.client.groups().items()}


@pytest.fixture
def first(ufm: LabUfm) -> Lifecycle:
    """Return the mark of the first stack."""
    life = life_of(ufm)
    assert life.up(owner=FIRST, pkeys=PKEYS) == "create"
    assert ufm.calls
    return life


def refused(error: pytest.ExceptionInfo[OwnedError]) -> None:
    """Check what an error says: whose, since when, and what to do."""
    assert "PKey 0x65: it belongs to stack dev of project rack (ID 1a2b3c4d, since 20" in str(error.value)
    assert "take_from = 1a2b3c4d" in str(error.value)


@pytest.mark.parametrize("status", [200, 201])
def test_a_mark_per_pkey_is_created_kept_and_removed(ufm: LabUfm, status: int) -> None:
    ufm.core.set_quirks({"group_status": status})
    life = life_of(ufm)
    assert life.up(owner=FIRST, pkeys=["0x0B", "0x65"]) == "create"
    assert marks(ufm).keys() == GROUPS
    for mark in marks(ufm).values():
        assert mark
        assert (mark.project, mark.stack, mark.stack_id) == ("rack", "dev", FIRST)
    before = marks(ufm)
    assert ufm.calls
    assert life.up(owner=FIRST, pkeys=PKEYS) == "same"
    assert life.refresh()["pkeys"] == ["0x65", "0xb"]
    assert writes(ufm) == []
    assert marks(ufm) == before
    life.destroy()
    assert marks(ufm) == {}


def test_another_stack_s_preview_and_up_name_the_owner_and_write_nothing(first: Lifecycle, ufm: LabUfm) -> None:
    second = life_of(ufm, "rack/copy")
    for run in (second.preview, second.up):
        with pytest.raises(OwnedError) as error:
            run(owner=SECOND, pkeys=PKEYS)
        refused(error)
    assert writes(ufm) == []


@pytest.mark.parametrize(
    ("stack", "owner"),
    [("rack/dev", SECOND), ("rack/copy", FIRST), ("other/dev", FIRST)],
    ids=["copied configuration", "copied state, another stack", "copied state, another project"],
)
def test_a_stack_is_known_by_project_stack_and_id(first: Lifecycle, ufm: LabUfm, stack: str, owner: str) -> None:
    with pytest.raises(OwnedError) as error:
        life_of(ufm, stack).up(owner=owner, pkeys=PKEYS)
    refused(error)


def test_a_first_preview_does_not_know_the_id(first: Lifecycle, ufm: LabUfm) -> None:
    """A stack without an ID owns nothing yet, even under the same name."""
    with pytest.raises(OwnedError):
        life_of(ufm).preview(owner=UNKNOWN, pkeys=PKEYS)
    first.destroy()
    assert life_of(ufm).preview(owner=UNKNOWN, pkeys=PKEYS) == []


def test_other_pkeys_of_the_same_ufm_are_free(first: Lifecycle, ufm: LabUfm) -> None:
    """One UFM may serve several racks."""
    assert life_of(ufm, "rack/other").up(owner=SECOND, pkeys=["0xc"]) == "create"
    assert len(marks(ufm)) == 3


def test_taking_over_needs_the_owner_s_id(first: Lifecycle, ufm: LabUfm) -> None:
    second = life_of(ufm, "rack/copy")
    with pytest.raises(OwnedError):
        second.up(owner=SECOND, pkeys=PKEYS, take_from="00000000")
    assert "taken over" in second.preview(owner=SECOND, pkeys=PKEYS, take_from=FIRST)[0]
    assert second.up(owner=SECOND, pkeys=PKEYS, take_from=FIRST) == "create"
    assert {mark and mark.stack_id for mark in marks(ufm).values()} == {SECOND}


@pytest.fixture
def taken(first: Lifecycle, ufm: LabUfm) -> Lifecycle:
    """Return the mark of a second stack that has taken over."""
    second = life_of(ufm, "rack/copy")
    second.up(owner=SECOND, pkeys=PKEYS, take_from=FIRST)
    assert ufm.calls
    return second


def test_the_stack_that_lost_its_pkeys_changes_nothing_any_more(
    first: Lifecycle, taken: Lifecycle, ufm: LabUfm
) -> None:
    for run in (lambda: first.up(owner=FIRST, pkeys=PKEYS), first.refresh):
        with pytest.raises(OwnedError, match="stack copy of project rack"):
            run()
    first.destroy()
    assert writes(ufm) == []
    assert len(marks(ufm)) == 2


def test_an_input_that_stayed_takes_nothing_back(first: Lifecycle, taken: Lifecycle, ufm: LabUfm) -> None:
    assert first.up(owner=FIRST, pkeys=PKEYS, take_from=SECOND) == "update"
    with pytest.raises(OwnedError, match="stack dev of project rack"):
        taken.up(owner=SECOND, pkeys=PKEYS, take_from=FIRST)


def test_a_renamed_stack_takes_over_from_itself(first: Lifecycle, ufm: LabUfm) -> None:
    first.urn = first.urn.replace(":dev::", ":prod::")
    first.configure(configuration(ufm.port, ufm.ca_file))
    with pytest.raises(OwnedError):
        first.up(owner=FIRST, pkeys=PKEYS)
    assert first.up(owner=FIRST, pkeys=PKEYS, take_from=FIRST) == "update"
    assert {mark and mark.stack for mark in marks(ufm).values()} == {"prod"}


def test_pkeys_of_the_configuration_follow(first: Lifecycle, ufm: LabUfm) -> None:
    assert first.up(owner=FIRST, pkeys=["0x65", "0xc"]) == "update"
    assert marks(ufm).keys() == {"pulumi_pkey_0x65", "pulumi_pkey_0xc"}


def test_a_lost_mark_is_set_again(first: Lifecycle, ufm: LabUfm) -> None:
    ufm.client.delete_group("pulumi_pkey_0xb")
    assert first.refresh()["pkeys"] == ["0x65"]
    assert first.up(owner=FIRST, pkeys=PKEYS) == "update"
    assert marks(ufm).keys() == GROUPS
    for group in GROUPS:
        ufm.client.delete_group(group)
    assert first.up(owner=FIRST, pkeys=PKEYS) == "update", "without a refresh too"
    for group in GROUPS:
        ufm.client.delete_group(group)
    assert first.refresh() == {}


def test_an_ufm_that_is_silent_compares_nothing(first: Lifecycle, ufm: LabUfm) -> None:
    """A no-op `up` works while UFM is down; so does the preview that precedes UFM's installation."""
    first.configure(configuration(1, ufm.ca_file))
    assert first.up(owner=FIRST, pkeys=PKEYS) == "same"
    assert "not compared with UFM" in first.messages[-1]
    assert "not compared with UFM" in life_of_port(1, ufm).preview(owner=SECOND, pkeys=PKEYS)[0]


def life_of_port(port: int, ufm: LabUfm) -> Lifecycle:
    return Lifecycle(PKeyOwnerHandler, configuration(port, ufm.ca_file))


def test_a_group_of_that_name_with_another_text_is_no_mark(ufm: LabUfm) -> None:
    ufm.client.create_group("pulumi_pkey_0xb", "edited in the web interface")
    with pytest.raises(OwnedError, match=r"which names no owner.*delete this group in UFM"):
        life_of(ufm).up(owner=FIRST, pkeys=PKEYS)
    assert len(marks(ufm)) == 1


def test_of_two_stacks_at_once_one_wins_and_the_other_leaves_no_mark(
    ufm: LabUfm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read that nothing is marked; then the first marks 0x65, and the second 0xb."""
    second = life_of(ufm, "rack/copy")
    read = second.handler.client.groups
    answers = iter([dict[str, str]()])
    monkeypatch.setattr(second.handler.client, "groups", lambda: next(answers, None) or read())
    ufm.client.create_group("pulumi_pkey_0xb", str(PKeyMark("rack", "dev", FIRST, "2026-12-01T09:00:00Z")))
    with pytest.raises(OwnedError, match="PKey 0xb: it belongs to stack dev"):
        second.up(owner=SECOND, pkeys=PKEYS)
    assert {name: mark and mark.stack for name, mark in marks(ufm).items()} == {"pulumi_pkey_0xb": "dev"}


def test_a_lost_answer_to_the_create_is_no_error(ufm: LabUfm) -> None:
    """The retry is refused, because the group exists then."""
    ufm.faults.set([Rule(method="POST", path="/resources/groups", count=1, fault="reset", applied=True)])
    life = life_of(ufm)
    assert life.up(owner=FIRST, pkeys=PKEYS) == "create"
    assert writes(ufm) == ["POST /resources/groups"] * 3
    assert marks(ufm).keys() == GROUPS


def test_wrong_inputs_are_reported_at_once(ufm: LabUfm) -> None:
    with pytest.raises(CheckFailedError) as error:
        life_of(ufm).checked(owner="dev", pkeys=["0x7fff"], take_from="x")
    assert error.value.failures.keys() == {"owner", "pkeys", "take_from"}
    with pytest.raises(CheckFailedError):
        life_of(ufm).checked(owner=FIRST, pkeys=[5])


def test_a_refusal_of_the_group_is_shown(start: Start) -> None:
    client, _ = start(lambda request: Answer(400, {}) if request.verb == "POST" else Answer(200, []))
    with pytest.raises(RejectedError):
        client.create_group("pulumi_pkey_0xb", "text")


# -- the guard


def guard_of(ufm: LabUfm, stack: str = "rack/dev") -> Lifecycle:
    guard = life_of(ufm, stack, PKeyOwnerGuardHandler)
    guard.up(owner=FIRST, pkeys=PKEYS)
    return guard


def test_the_guard_writes_nothing_and_lets_the_owner_destroy(first: Lifecycle, ufm: LabUfm) -> None:
    guard = guard_of(ufm)
    assert guard.up(owner=FIRST, pkeys=PKEYS) == "same"
    assert guard.refresh()
    guard.destroy()
    assert writes(ufm) == []


def test_the_guard_refuses_a_stack_that_lost_its_pkeys(first: Lifecycle, taken: Lifecycle, ufm: LabUfm) -> None:
    with pytest.raises(OwnedError, match=r"stack copy of project rack .* so nothing was deleted"):
        guard_of(ufm).destroy()


def test_the_guard_refuses_a_copied_state(first: Lifecycle, ufm: LabUfm) -> None:
    """The copy has the ID; its URNs have another stack."""
    with pytest.raises(OwnedError, match="stack dev of project rack"):
        guard_of(ufm, "rack/copy").destroy()
    assert writes(ufm) == []


def test_the_guard_needs_ufm_s_answer(first: Lifecycle, ufm: LabUfm) -> None:
    guard = guard_of(ufm)
    guard.configure(configuration(1, ufm.ca_file))
    with pytest.raises(UfmError, match="no connection"):
        guard.destroy()


def test_marks_are_read_as_they_are_written() -> None:
    mark = PKeyMark("rack", "dev", FIRST, "2026-12-01T09:00:00Z")
    assert PKeyMark.parse(str(mark)) == mark
    assert PKeyMark.parse("owned by rack/dev") is None
