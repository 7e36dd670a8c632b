"""`docs/ufm-endpoints.md` lists exactly the calls of the code; each test in it exists."""

import inspect
import re
from collections import deque
from pathlib import Path

import pytest

from lab.fabric.client import FabricClient
from lab.ufm.app import create_app
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator
from providers.ufm.client import Client
from providers.ufm.transport import Call

PROJECT = Path(__file__).resolve().parents[2]
TEXT = (PROJECT / "docs/ufm-endpoints.md").read_text()
PROVIDER, GATE, HOST, OTHERS = (section.partition("\n")[2] for section in TEXT.split("\n## ")[1:])

ARGUMENTS = {
    "pkey": "PKEY",
    "guids": ["GUIDS"],
    "qos": {"mtu_limit": 4},
    "sys_type": "Computer",
    "group": "GROUP",
    "name": "GROUP",
    "description": "text",
    "token": "canary_token",
    "password": "canary_password",
}


def documented(section: str) -> set[str]:
    """Return the calls in the section, as `GET /app/tokens`."""
    return set(re.findall(r"`((?:GET|PUT|POST|DELETE) /\S+)`", section))


class AskedError(Exception):
    """Raised in place of sending a request."""

    def __init__(self, call: Call) -> None:
        super().__init__(f"{call.verb} {call.path}{call.csv}")


class Listener(Client):
    def _try(self, call: Call, request: object) -> None:  # type: ignore[override]
        raise AskedError(call)


def calls_of_the_provider() -> set[str]:
    client, asked = Listener("ufm.example", "USER", "canary_password"), set()
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_") or name == "close":
            continue
        arguments = {key: ARGUMENTS[key] for key in inspect.signature(method).parameters if key in ARGUMENTS}
        with pytest.raises(AskedError) as caught:
            method(**arguments)
        asked.add(str(caught.value))
    return asked


def test_the_page_lists_the_provider_s_calls() -> None:
    assert documented(PROVIDER) == calls_of_the_provider()


def test_the_page_lists_the_gate_s_calls() -> None:
    source = (PROJECT / "onhost/undercloud/ufm.py").read_text()
    paths = re.findall(r'_get\(f?"([^"?]+)', source)
    assert documented(GATE) == {f"GET {path.replace('{pkey}', 'PKEY')}" for path in paths}


def test_the_page_lists_the_host_s_calls() -> None:
    sources = (path.read_text() for path in (PROJECT / "onhost/ufm").iterdir())
    assert documented(HOST) == {
        f"GET {path}" for text in sources for path in re.findall(r"127\.0\.0\.1:8000(/\S+)", text)
    }


@pytest.mark.parametrize("call", sorted(documented(TEXT)))
def test_the_lab_s_ufm_serves_every_listed_call(tmp_path: Path, call: str) -> None:
    app = create_app(
        UfmSimulator(tmp_path / "ufm.json", {}), FabricClient(tmp_path / "no.sock"), {}, RequestLog(deque())
    )
    method, path = call.split()
    served, _ = app.url_map.bind("ufm.example").match(f"/ufmRest{path}", method)
    generic = {"one_pkey", "one_system"}
    assert served.partition(".")[2] not in generic or path.rpartition("/")[2].isupper(), (
        "another call matches this path"
    )


@pytest.mark.parametrize("test", sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", TEXT))))
def test_every_listed_test_exists(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name or 'test_'}" in (PROJECT / path).read_text()


@pytest.mark.parametrize("section", [PROVIDER, GATE, HOST, OTHERS])
def test_every_call_names_a_test(section: str) -> None:
    rows = [row for row in section.splitlines() if row.startswith("|") and documented(row)]
    assert rows
    assert all("`tests/" in row.rpartition(" | ")[2] for row in rows)
