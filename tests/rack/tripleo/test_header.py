"""Headers of documents, and digests that ignore them."""

from typing import Any

from hypothesis import given

from rack import tripleo
from rack.plan import Plan
from rack.site.load import parse
from rack.tripleo.documents import rendered
from rack.tripleo.header import HEADER, body, digest, headed
from tests.rack import sites
from tests.rack.sites import documents


def test_every_document_except_the_inventory_has_a_header() -> None:
    for path, text in rendered(Plan(sites.plan().site, "site")).items():
        lines = text.splitlines(keepends=True)
        head = next((line for line in lines[:2] if HEADER.fullmatch(line)), "")
        assert bool(head) != path.endswith(".json")
        assert not head or "stack site," in head


def test_a_header_changes_only_with_the_content_of_its_document() -> None:
    before, after = (rendered(sites.plan(edits)) for edits in ({}, {"compute.vfs": 16}))
    assert {path for path in before if before[path] != after[path]} == {"templates/IB/VM/compute-ib-vm-nics.j2"}


@given(documents())
def test_a_new_stack_name_does_not_change_the_digest(written: dict[str, Any]) -> None:
    site = parse(written)
    one, other = (tripleo.ib_env(Plan(site, name)) for name in ("one", "other"))
    assert one != other
    assert body(one) == body(other)
    assert digest(one) == digest(other)


def test_the_header_does_not_depend_on_the_token() -> None:
    one, other = (tripleo.ml2_sdn(sites.plan(), token) for token in ("one", "other"))
    assert one.splitlines()[0] == other.splitlines()[0]


def test_a_header_is_one_line_above_the_content() -> None:
    text = headed(Plan(sites.plan().site, "prod"), "O1", "a: 1\n")
    first, _, rest = text.partition("\n")
    assert first == f"# rack: stack prod, guide step O1, content {digest(rest)}; change the stack's file."
    assert rest == "a: 1\n"
    assert body(text) == "a: 1\n"
    assert body("a: 1\n") == "a: 1\n"


def test_a_digest_depends_on_order_and_boundaries_of_documents() -> None:
    digests = {digest("a", "b"), digest("b", "a"), digest("ab"), digest("a"), digest("ab", "")}
    assert len(digests) == 5
    assert {len(value) for value in digests} == {16}
