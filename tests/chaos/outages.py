"""Outages of the services that a run depends on."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import requests

from harness.runs import Operation, Run
from lab import addresses
from lab.cloud import deployment, processes
from lab.process import Process, until
from tests.chaos.rack import Rack, machine, require

Switch = Callable[[bool], None]
"""Starts (True) or stops a service; returns when the service answers, or has ended."""

NOTICED = 240.0
"""Seconds within which a run reports an outage."""


def _ssh(host: str) -> Switch:
    def switch(on: bool) -> None:
        server = machine(host).sshd
        if on:
            server.start()
        else:
            server.stop()

    return switch


def _ufm(on: bool) -> None:
    url = f"http://127.0.0.1:{addresses.UFM_ADMIN_PORT}/{'start' if on else 'stop'}"
    requests.post(url, timeout=60)  # 409 while UFM is not installed: then there is nothing to stop


def _cloud(find: Callable[[], Process]) -> Switch:
    def switch(on: bool) -> None:
        if not on:
            find().stop()
            return
        with deployment.exclusive():
            deployment.start_base()
            deployed = deployment.current()
            if deployed is not None:
                deployment.start(deployed, lambda line: None)

    return switch


SERVICES: Mapping[str, Switch] = {
    "SSH of the undercloud": _ssh("undercloud"),
    "UFM": _ufm,
    "keystone": _cloud(processes.keystone),
    "glance": _cloud(processes.glance),
    "MariaDB": _cloud(processes.mariadb),
    "nova": _cloud(lambda: processes.nova_controllers()[-1].process),
    "neutron": _cloud(lambda: processes.neutron().process),
}
"""What operators see failing → its switch."""


class InLayers:
    """Stops a service while the first resource of each layer is created."""

    def __init__(self, service: str, layers: Iterable[str]) -> None:
        self.left = list(layers)
        """Those in which the service was not stopped yet."""
        self._switch, self._layer = SERVICES[service], ""

    def at(self, operation: Operation, run: Run) -> None:
        """Stop the service at a layer's resource, and start it when the resource has been created."""
        if operation.phase == "pre" and operation.name in self.left:
            self.left.remove(operation.name)  # during an outage that began in another layer, too
            if not self._layer:
                self._layer = operation.name
                self._switch(False)
        elif operation.phase == "outputs" and operation.name == self._layer:
            self.end()

    def end(self) -> str:
        """Start the service if it is stopped; return in which layer it was."""
        layer, self._layer = self._layer, ""
        if layer:
            self._switch(True)
        return layer


def stopped(rack: Rack, service: str, layers: Iterable[str]) -> Iterator[str]:
    """Run `up` until it succeeds. The service is down while the first resource of each layer is created.

    Yields what each run did.

    Raises:
        DisturbedError: `up` still fails when no outage is left, a layer was not met, or the rack differs.
    """
    outage = InLayers(service, layers)
    while True:
        before = len(outage.left)
        ended = rack.project.up(*rack.arguments, at=outage.at)
        stopped_at = outage.end()
        if ended.status == 0:
            break
        require(len(outage.left) < before, f"`up` without an outage of {service} failed:\n{ended.output[-6000:]}")
        yield f"failed at {stopped_at or 'a later resource'}"
        if rack.project.pending():
            rack.unlock()
    require(not outage.left, f"{service} was not stopped in the layers of {', '.join(outage.left)}")
    yield "succeeded"
    rack.check()


class Outage:
    """An outage of one service within an `up`, which must survive it."""

    def __init__(self, service: str, seconds: float, turn: threading.Lock) -> None:
        """Prepare it.

        Args:
            service: of `SERVICES`.
            seconds: of the outage; it lasts until the run has reported it, if that is later.
            turn: held by the outage that is under way: starting one service starts all of them.
        """
        self.service, self.seconds, self._turn = service, seconds, turn
        self.reported = False
        self._thread: threading.Thread | None = None

    def begin(self, run: Run) -> None:
        """Stop the service when no other outage is under way, and start it again in the background."""
        self._thread = self._thread or threading.Thread(target=self._last, args=(run,))
        if not self._thread.ident:
            self._thread.start()

    def _last(self, run: Run) -> None:
        report = re.compile(rf"\b{self.service} (does not answer|answers with status).*waiting, at most")
        with self._turn:
            SERVICES[self.service](False)
            try:
                seen, begin = len(run.output), time.monotonic()
                self.reported = until(lambda: bool(report.search(run.output[seen:])), NOTICED)
                until(lambda: time.monotonic() - begin >= self.seconds, self.seconds + 1)
            finally:
                SERVICES[self.service](True)

    def end(self) -> None:
        """Wait until the service is back.

        Raises:
            DisturbedError: the outage did not begin, or the run did not report it.
        """
        require(self._thread is not None, f"{self.service} was not stopped: its resource was not created")
        assert self._thread
        self._thread.join()
        require(self.reported, f"the run did not report the outage of {self.service}")


def survived(rack: Rack, places: Mapping[str, str], seconds: float) -> None:
    """Run one `up` that survives outages: each service is down from the creation of a resource on.

    Args:
        rack: lacks these resources.
        places: resource → service.
        seconds: of each outage; it lasts until the run has reported it, if that is later.

    Raises:
        DisturbedError: `up` failed, did not report an outage, or the rack differs.
    """
    turn = threading.Lock()
    planned = {name: Outage(service, seconds, turn) for name, service in places.items()}

    def at(operation: Operation, run: Run) -> None:
        if operation.phase == "pre" and operation.name in planned:
            planned[operation.name].begin(run)

    ended = rack.project.up(*rack.arguments, at=at)
    for outage in planned.values():
        outage.end()
    require(ended.status == 0, f"`up` failed although all outages were short:\n{ended.output[-6000:]}")
    rack.check()
