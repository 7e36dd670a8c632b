"""A PKey of 800 members at a UFM that answers after 50 ms: the provider's calls, compared with one call per member.

One resource per member would make one call per member, and Neutron's driver writes ports that way. The comparison
favours it: no read before or after a write, and as many concurrent calls as the provider's plugin makes. Both sides
open one connection per request, because the lab's UFM does not keep connections.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from os import devnull
from pathlib import Path
from typing import Any

import requests

from lab.fabric.client import FabricClient
from lab.ufm import tls
from lab.ufm.app import create_app
from lab.ufm.faults import Faults, Rule
from lab.ufm.listener import Listener
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator
from providers.ufm.handler import Session
from providers.ufm.pkey import PKeyHandler
from providers.ufm.plugin import CALLS
from providers.ufm.provider import Settings

MEMBERS, CHANGED, LATENCY_MS, AT_A_TIME = 800, 100, 50, CALLS
PKEY, PASSWORD = "0x65", "benchmark_1"

BEFORE = {f"node-{n}/ib0": f"b8599f0300b0{n:04x}" for n in range(1, MEMBERS + 1)}
AFTER = {f"node-{n}/ib0": f"b8599f0300b0{n:04x}" for n in range(1 + CHANGED, MEMBERS + CHANGED + 1)}

Step = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """The cost of one step."""

    calls: Mapping[str, int]
    """Number of calls by verb."""
    seconds: float

    def __str__(self) -> str:
        return ", ".join(f"{number} {verb}" for verb, number in sorted(self.calls.items()))


@contextmanager
def serving(folder: Path, asked: deque[dict[str, Any]]) -> Iterator[int]:
    """Serve a slow UFM, and yield its port."""
    core, faults = UfmSimulator(folder / "ufm.json", {}), Faults()
    core.accounts.set_password("admin", PASSWORD)
    faults.set([Rule(latency_ms=LATENCY_MS)])
    app = create_app(core, FabricClient(folder / "no.sock"), {}, RequestLog(asked), faults)
    tls.certify(folder, "127.0.0.1")
    listener = Listener("127.0.0.1", 0, app, tls.server_context(folder))
    yield listener.server_port
    listener.stop()


def compare(folder: Path) -> dict[str, tuple[Cost, Cost]]:
    """Return, by step, the cost with the provider and the cost with one call per member."""
    asked = deque[dict[str, Any]]()
    with Path(devnull).open("w") as log, redirect_stdout(log), serving(folder, asked) as port:
        ours = {step: _cost(act, asked) for step, act in _provider(port, folder / "ca.pem").items()}
        theirs = {step: _cost(act, asked) for step, act in _call_per_member(port, folder / "ca.pem").items()}
    return {step: (ours[step], theirs[step]) for step in ours}


def _cost(act: Step, asked: deque[dict[str, Any]]) -> Cost:
    asked.clear()
    begin = time.monotonic()
    act()
    return Cost(Counter(entry["method"] for entry in asked), time.monotonic() - begin)


def _provider(port: int, ca: Path) -> dict[str, Step]:
    inputs = {"address": "127.0.0.1", "port": port, "password": PASSWORD, "caFile": str(ca)}
    handler = PKeyHandler(Session.of(Settings.of(inputs)), lambda _severity, _text: None)
    before, _ = handler.check({"pkey": PKEY, "members": BEFORE})
    after, _ = handler.check({"pkey": PKEY, "members": AFTER})
    return {
        "create": lambda: handler.create(before),
        "change": lambda: handler.update(before, after),
        "refresh": lambda: handler.read(PKEY, after),
        "destroy": lambda: handler.delete(after),
    }


def _call_per_member(port: int, ca: Path) -> dict[str, Step]:
    base, local = f"https://127.0.0.1:{port}/ufmRest/resources/pkeys", threading.local()

    def call(verb: str, path: str = "", **body: object) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env, local.session.verify, local.session.auth = False, str(ca), ("admin", PASSWORD)
        local.session.request(verb, base + path, json=body or None, timeout=30).raise_for_status()

    def add(guid: str) -> None:
        call("POST", pkey=PKEY, guids=[guid])

    def remove(guid: str) -> None:
        call("DELETE", f"/{PKEY}/guids/{guid}")

    def look(_guid: str) -> None:
        call("GET", f"/{PKEY}?guids_data=true")

    def each(act: Callable[[str], None], guids: set[str]) -> None:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(act, sorted(guids)))

    def change() -> None:
        each(add, after - before)
        each(remove, before - after)

    before, after = set(BEFORE.values()), set(AFTER.values())
    return {
        "create": lambda: each(add, before),
        "change": change,
        "refresh": lambda: each(look, after),
        "destroy": lambda: each(remove, after),
    }
