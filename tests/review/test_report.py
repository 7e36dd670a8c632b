"""Recorded previews of ten kinds of change, as a reviewer sees them.

`golden/` holds the expected Markdown. After an intended change: `python -m tests.review.test_report` writes it again.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from review.command import written
from review.markdown import LIMIT, ROOM, markdown
from review.preview import SECRET, UNKNOWNS, parse
from review.report import Report, report, unified
from tests.review.record import CHANGES, PREVIEWS

pytestmark = pytest.mark.fast

GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(file.stem for file in PREVIEWS.glob("*.json"))
MARK = min(UNKNOWNS)


def of(name: str) -> Report:
    return report(parse((PREVIEWS / f"{name}.json").read_text()), "dev")


def test_every_kind_of_change_is_recorded() -> None:
    assert sorted(["first", "drift", *CHANGES]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_report_of_a_recorded_preview_is_as_expected(name: str) -> None:
    assert markdown(of(name)) == (GOLDEN / f"{name}.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_report_has_an_engine_mark(name: str) -> None:
    for form in ("terminal", "markdown", "json"):
        text = written(of(name), form, coloured=False)
        assert not [mark for mark in UNKNOWNS if mark in text]
        assert "\033" not in text


def large(nodes: int) -> str:
    """Return a preview that adds and evicts as many ports in four PKeys, with a document of ten lines per node."""
    before = {f"compute-{n}/ib2": f"{n:016x}" for n in range(nodes)}
    after = {f"compute-{n}/ib2": f"{n:016x}" for n in range(nodes, 2 * nodes)}
    steps: list[dict[str, Any]] = [
        {
            "op": "update",
            "urn": f"urn:pulumi:big::rack::rack:fabric:Fabric$ufm:index:PKey::fabric-Net{number}",
            "detailedDiff": {"members.x": {}},
            "oldState": {"inputs": {"pkey": f"0x{number}", "members": before}},
            "newState": {"inputs": {"pkey": f"0x{number}", "members": after}},
        }
        for number in range(4)
    ]
    text = "".join(f"line {n}\n" for n in range(10 * nodes))
    create = "install -D -T -o stack -g stack -m 0644 /dev/stdin /home/stack/templates/IB/VM/node-info-ib-vm.yaml"
    states = {"oldState": {"inputs": {"create": create, "stdin": ""}}}
    states["newState"] = {"inputs": {"create": create, "stdin": text}}
    urn = "urn:pulumi:big::rack::rack:cloud:Overcloud$command:remote:Command::overcloud-node-info-ib-vm"
    steps.append({"op": "update", "urn": urn, "detailedDiff": {"stdin": {}}, **states})
    return json.dumps({"steps": steps, "changeSummary": {"same": 100}})


@pytest.mark.parametrize("nodes", [1, 40, 200, 800, 4000])
def test_a_comment_fits_at_any_size_and_keeps_interruptions_first(nodes: int) -> None:
    found = report(parse(large(nodes)), "big")
    text = markdown(found)
    assert len(text) <= LIMIT - ROOM
    assert text.index("**evict**") < 300
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0
    assert len(found.effects) == 4 * nodes
    if nodes >= 800:
        assert f"and {4 * nodes - 100} more" in text or "more lines" in text


def test_a_document_is_one_unified_diff_without_the_header() -> None:
    before = "# rack: stack dev, content 1\na: 1\nb: 2\n"
    after = "# rack: stack dev, content 2\na: 1\nb: 3\n"
    assert list(unified(before, after)) == ["@@ -1,2 +1,2 @@", " a: 1", "-b: 2", "+b: 3"]


def test_secrets_and_unknown_values_are_never_shown_as_differences() -> None:
    steps = [
        {
            "op": "update",
            "urn": "urn:pulumi:a::rack::ufm:index:AccessToken::ufm-token",
            "detailedDiff": {"token": {}, "generation": {}},
            "oldState": {"inputs": {"token": SECRET, "generation": 1}},
            "newState": {"inputs": {"token": SECRET, "generation": MARK}},
        }
    ]
    found = report(parse(json.dumps({"steps": steps, "config": {"rack:ufmPassword": "CANARY"}})), "a")
    (section,) = found.sections
    assert section.lines == ("~ UFM access token ufm-token (generation 1 → known after `up`, token [secret])",)
    assert "CANARY" not in written(found, "json", coloured=False)


def test_names_cannot_break_out_of_the_comment() -> None:
    """A name of a VM or a message may hold markup, or fences that would end a code block."""
    steps = [
        {
            "op": "delete",
            "urn": "urn:pulumi:a::rack::openstack:compute/instance:Instance::tenant-x",
            "oldState": {"inputs": {"name": "x | <b>``` @team"}},
        }
    ]
    text = markdown(report(parse(json.dumps({"steps": steps})), "a"))
    assert "x \\| &lt;b>``` &#64;team" in text
    assert "````diff" in text


def main() -> None:
    """Write the expected reports."""
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        (GOLDEN / f"{name}.md").write_text(markdown(of(name)))


if __name__ == "__main__":
    main()
