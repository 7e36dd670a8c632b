"""The report: by host, the worst first, in three formats, and without any secret."""

import json

import pytest

from drift.finding import Finding, Severity
from drift.report import HIDDEN, LIMIT, hidden, report, written

TOKEN, PASSWORD = "t0k3nt0k3nt0k3nt0k3nt0k3nt0k3n", "hunter2!"
FILE = Finding(Severity.DRIFT, "undercloud (192.0.2.1)", "file", "/etc/x: its content differs", ("-a", "+b"), "x-conf")
GONE = Finding(Severity.BROKEN, "undercloud (192.0.2.1)", "container", "container x: gone", step="repair-containers-x")
PKEY = Finding(Severity.BROKEN, "UFM", "resource", "PKey 0xb (Storage) differs: members", remedy="run `pulumi up`")
AWAY = Finding(Severity.UNKNOWN, "compute-1", "connection", "it cannot be entered", remedy="see its console")
ALL = (FILE, AWAY, GONE, PKEY)
LOOKED = ("undercloud (192.0.2.1)", "UFM and OpenStack", "compute-1")
FORMS = ("terminal", "markdown", "json")


def text(form: str, *findings: Finding, secrets: tuple[str, ...] = ()) -> str:
    return written(report("dev", LOOKED, findings, secrets), form, coloured=False)


def test_findings_are_grouped_by_host_with_the_worst_first() -> None:
    found = json.loads(text("json", *ALL))
    assert [f["found"] for f in found["findings"]] == [GONE.found, FILE.found, AWAY.found, PKEY.found]
    assert found["counts"] == {"broken": 2, "drift": 1, "unknown": 1}


def test_the_terminal_shows_difference_and_repair() -> None:
    assert text("terminal", *ALL) == (
        "dev: 2 broken, 1 drifted, 1 not looked at, at 3 places\n\n"
        "undercloud (192.0.2.1)\n"
        "  broken   container x: gone\n           repair: step repair-containers-x\n"
        "  drift    /etc/x: its content differs\n             -a\n             +b\n           repair: step x-conf\n\n"
        "compute-1\n  unknown  it cannot be entered\n           by hand: see its console\n\n"
        "UFM\n  broken   PKey 0xb (Storage) differs: members\n           by hand: run `pulumi up`\n\n"
        "To repair: python -m rack drift --stack dev --repair && pulumi up --refresh --stack dev\n"
    )


def test_without_findings_it_says_what_was_looked_at() -> None:
    assert text("terminal") == "dev: no drift; looked at undercloud (192.0.2.1), UFM and OpenStack, compute-1\n"


def test_colours_are_for_terminals_only() -> None:
    assert "\033[" in written(report("dev", LOOKED, ALL, ()), "terminal", coloured=True)
    assert "\033[" not in text("terminal", *ALL)


@pytest.mark.parametrize("form", FORMS)
def test_no_known_secret_is_in_any_format(form: str) -> None:
    """Somebody has written secrets into an ordinary file, and a host puts one into a reason."""
    leaking = (
        Finding(Severity.DRIFT, "h", "file", "/etc/x: its content differs", (f"-token: {TOKEN}", f"+x {PASSWORD} y")),
        Finding(Severity.UNKNOWN, "h", "service", f"client: bad {PASSWORD}", remedy=f"curl -H {TOKEN}"),
    )
    shown = text(form, *leaking, secrets=(TOKEN, PASSWORD))
    assert TOKEN not in shown
    assert PASSWORD not in shown
    assert "[secret]" in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("+admin_password = other-one", "+admin_password = [secret]"),
        ('+  "pm_password": "x y"', '+  "pm_password": [secret]'),
        (f"+{'A' * 48}", "+[secret]"),
        ("+local_ip = 192.0.2.1/24", "+local_ip = 192.0.2.1/24"),
    ],
)
def test_what_looks_like_a_credential_is_hidden_in_a_diff(line: str, shown: str) -> None:
    """It is in no state: somebody has typed it on the host."""
    leaking = Finding(Severity.DRIFT, "h", "file", "/etc/x: its content differs", (line,))
    assert report("dev", (), [leaking], ()).findings[0].detail == (shown,)


def test_a_comment_stays_below_github_s_limit() -> None:
    many = [
        Finding(Severity.DRIFT, f"compute-{n}", "file", "/etc/x: its content differs", ("+line " * 20,) * 40, "x")
        for n in range(200)
    ]
    shown = text("markdown", *many)
    assert len(shown) < LIMIT
    assert "more parts: `python -m rack drift --format json` has all" in shown


def test_markdown_shows_a_diff_and_the_commands() -> None:
    shown = text("markdown", FILE)
    assert shown.startswith("<!-- rack drift: dev -->\n**dev: 1 drifted, at 1 place**\n")
    assert "- **drift** /etc/x: its content differs. Repair: step x-conf\n\n  ```diff\n  -a\n  +b\n  ```\n" in shown
    assert "python -m rack drift --stack dev --repair && pulumi up --stack dev" in shown


def test_a_secret_that_is_a_part_of_another_leaves_no_rest() -> None:
    assert hidden("key abcdef-123456", ["abcdef", "abcdef-123456"]) == f"key {HIDDEN}"
