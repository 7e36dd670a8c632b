"""Disturb the deployment of the guide's rack in every way: `make chaos`.

    python -m tests.chaos [--only REGEX] [--fresh] [--list]

Each case starts from a deployed or an empty rack and must end as an undisturbed run does, object by object
(`harness/snapshot.py`), with at most one `rack recover` per disturbance. Finished cases are kept in
`.chaos/results.json`; a later call runs the others, and `--fresh` runs all. `--only` selects cases by name. The table
of results is printed at the end. All cases take some hours on two cores, each of them one to forty minutes.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import snapshot
from harness.runs import PROJECT, At, Ended, Operation, Project
from lab import addresses
from lab.__main__ import start, stop
from lab.assembly import services
from lab.cloud.folders import DATA, PRISTINE
from tests.chaos import cases, outages
from tests.chaos.rack import DisturbedError, Rack, require

STACK = PROJECT / "Pulumi.dev.yaml"
RESULTS = PROJECT / ".chaos/results.json"

LAYERS = (
    "ufm-install", "undercloud-install", "introspection-nodes", "fabric-Storage", "gate-members", "overcloud-deploy",
    "images-centos8-stream", "firmware-computes-1", "tenant-network", "tenant-vm1_gpu", "external-network",
    "bandwidth-ib-write-bw",
)  # fmt: skip
"""Resource of each layer during whose creation a service is stopped."""

REQUESTS = ("flavors", "os-keypairs", "networks", "subnets", "ports", "servers", "routers", "floatingips", "images")
"""Ends of the paths of requests that create an object of the cloud."""

Say = Callable[[str], None]
Case = Callable[["Tour", Say], None]


@dataclass
class Tour:
    """The deployed rack, and the runs that cases disturb."""

    rack: Rack

    def up(self, at: At | None = None) -> Ended:
        """Run `up`."""
        return self.rack.project.up(*self.rack.arguments, at=at)

    def destroy(self, at: At | None = None) -> Ended:
        """Run `destroy`."""
        return self.rack.project.destroy(at=at)

    def created(self, *types: str) -> list[Operation]:
        """Return the creations of resources whose type starts with one of `types`, before the provider's call."""
        return [o for o in self.rack.operations if o.phase == "pre" and o.op == "create" and o.type.startswith(types)]


def set_up() -> Tour:
    """Return a deployed rack on a fresh lab."""
    lab = services(STACK)
    stop(lab)
    for name in ("hosts", "ufm", "fabric"):
        shutil.rmtree(addresses.STATE / name, ignore_errors=True)
    if PRISTINE.exists():
        shutil.rmtree(DATA, ignore_errors=True)
        shutil.copytree(PRISTINE, DATA)
    start(lab)
    rack = Rack(Project(Path(tempfile.mkdtemp(prefix="chaos-")) / "project", STACK.read_text()))
    rack.deploy()
    return Tour(rack)


# -------------------------------------------------------------------------------------------------------------- cases


def kill_at_each_operation_of_up(phase: str) -> Case:
    """Kill an `up` from an empty rack at each operation, each time the next one."""

    def case(tour: Tour, say: Say) -> None:
        tour.destroy()
        for operation in cases.chain(tour.up, tour.rack.unlock, phase):
            say(str(operation))
        tour.rack.check()

    return case


def kill_at_each_operation_of_destroy(phase: str) -> Case:
    """Kill a `destroy` at each operation, each time the next one."""

    def case(tour: Tour, say: Say) -> None:
        tour.destroy()
        wanted = snapshot.take()
        tour.rack.resume()
        for operation in cases.chain(tour.destroy, tour.rack.unlock, phase):
            say(str(operation))
        lines = snapshot.difference(wanted, snapshot.take())
        require(not lines, "the rack differs from one that was destroyed undisturbed:\n" + "\n".join(lines[:40]))
        tour.rack.resume()

    return case


def kill_at_each_operation_of_a_change(tour: Tour, say: Say) -> None:
    """Add the spare compute, and remove it again; both are killed at each operation."""
    before = tour.rack.project.file.read_text()
    spare, head = re.search(r"  lab:spares:\n((?:    .*\n)+)", before), "    compute:\n      vfs"
    assert spare
    tour.rack.project.file.write_text(before.replace(head, re.sub("(?m)^", "  ", spare[1]).rstrip(" ") + head))
    for operation in cases.chain(tour.up, tour.rack.unlock, "pre"):
        say(f"added: {operation}")
    tour.rack.project.file.write_text(before)
    for operation in cases.chain(tour.up, tour.rack.unlock, "pre"):
        say(f"removed: {operation}")
    tour.rack.check()


def kill_with_the_request_in_flight(path: str) -> Case:
    """Kill an `up` when the cloud has carried out a creation whose answer the program has not seen."""

    def case(tour: Tour, say: Say) -> None:
        tour.rack.remove_tenant(images=path == "images")
        hit = cases.lost_answer(tour.up, "POST", f"/{path}")
        require(hit, f"no POST /{path} was seen")
        say("recovered" if tour.rack.resume() else "no recovery was needed")

    return case


def kill_the_engine_alone(tour: Tour, say: Say) -> None:
    """Kill the engine; its plug-ins and the program end by themselves."""
    for operation in cases.sample(tour.created("openstack:"), 4):
        tour.rack.remove_tenant()
        left = cases.kill_engine(tour.up, operation)
        require(not left, f"{operation}: these processes outlive the engine: {left}")
        say(f"{operation}: {'recovered' if tour.rack.resume() else 'no recovery was needed'}")


def interrupt(times: int) -> Case:
    """Press Ctrl-C once or twice, in each layer."""

    def case(tour: Tour, say: Say) -> None:
        tour.destroy()
        press = partial(cases.interrupt, times=times)
        for operation in cases.chain(tour.up, tour.rack.unlock, "pre", LAYERS, press):
            say(str(operation))
        tour.rack.check()

    return case


def stop_service(service: str) -> Case:
    """Stop a service in each layer of an `up` from an empty rack."""

    def case(tour: Tour, say: Say) -> None:
        tour.destroy()
        for line in outages.stopped(tour.rack, service, LAYERS):
            say(line)

    return case


def survive_outages(tour: Tour, say: Say) -> None:
    """Stop the cloud's four APIs for a minute each within one `up`, and glance alone in another one (C8)."""
    image, others = "images-centos8-stream", {"tenant-network": "neutron", "tenant-vm1_gpu": "nova"}
    for places in ({image: "glance"}, {image: "keystone", "images-centos8-stream-gdr": "glance", **others}):
        tour.rack.remove_tenant(images=True)
        outages.survived(tour.rack, places, seconds=60)
        say(f"survived {', '.join(places.values())}")


def fill_the_disk(tour: Tour, say: Say) -> None:
    """Fill the disk of the backend in the middle of an `up`."""
    tour.rack.remove_tenant()
    operation = cases.sample(tour.created("openstack:"), 1)[0]
    ended = cases.full_disk(tour.rack.project, tour.up, operation)
    say(f"{operation}: status {ended.status}")
    tour.rack.resume()


def fill_the_undercloud(tour: Tour, say: Say) -> None:
    """Fill the undercloud's /var when a job starts, for each job of an `up` from an empty rack."""
    operations = {operation.name: operation for operation in tour.created("command:")}
    tour.destroy()
    for name in ("undercloud-install", "introspection-nodes", "overcloud-deploy"):
        ended = cases.full_host("undercloud", tour.up, operations[name])
        tour.rack.unlock()
        say(f"{operations[name]}: status {ended.status}")
    tour.rack.resume()


def run_two_engines(tour: Tour, say: Say) -> None:
    """Start a second `up` and a `destroy` while an `up` runs."""
    tour.rack.remove_tenant()
    said = cases.second_engine(tour.rack, cases.sample(tour.created("openstack:"), 1)[0])
    say(said.splitlines()[-1])
    tour.rack.check()


def run_two_stacks(tour: Tour, say: Say) -> None:
    """Deploy and destroy another stack with the same configuration: it must be refused."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        said = cases.second_stack(tour.rack, Path(folder) / "project")
    say(next(line.strip() for line in said.splitlines() if "belongs to" in line))


CASES: Mapping[str, Case] = {
    "two engines": run_two_engines,
    "two stacks": run_two_stacks,
    "full disk": fill_the_disk,
    "full disk of the undercloud": fill_the_undercloud,
    "60 s without an API": survive_outages,
    **{f"kill with POST /{path} in flight": kill_with_the_request_in_flight(path) for path in REQUESTS},
    "kill the engine alone": kill_the_engine_alone,
    "kill up before each operation": kill_at_each_operation_of_up("pre"),
    "kill up after each operation": kill_at_each_operation_of_up("outputs"),
    "kill a change at each operation": kill_at_each_operation_of_a_change,
    "kill destroy before each operation": kill_at_each_operation_of_destroy("pre"),
    "kill destroy after each operation": kill_at_each_operation_of_destroy("outputs"),
    "Ctrl-C once in each layer": interrupt(1),
    "Ctrl-C twice in each layer": interrupt(2),
    **{f"stop {service} in each layer": stop_service(service) for service in outages.SERVICES},
}
"""Name → case. Each leaves the rack deployed."""


# ------------------------------------------------------------------------------------------------------------- running


def main(arguments: Sequence[str]) -> int:
    """Run the selected cases that have not passed; return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--only", default="", help="regular expression for the names of cases")
    parser.add_argument("--fresh", action="store_true", help="run cases that passed before, too")
    parser.add_argument("--list", action="store_true", help="list the cases with their last results")
    options = parser.parse_args(arguments)
    results: dict[str, str] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    selected = [name for name in CASES if re.search(options.only, name)]
    if not options.list:
        todo = [name for name in selected if options.fresh or not results.get(name, "").startswith("passed")]
        for name, result in _run(todo):
            results[name] = result
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1))
    print("\n".join(f"{name:40} {results.get(name, 'not run')}" for name in selected))
    return 0 if all(results.get(name, "").startswith("passed") for name in selected) else 1


def _run(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each case's name and result. After a failure, the lab is built again."""
    tour: Tour | None = None
    try:
        for number, name in enumerate(names, 1):
            tour = tour or set_up()
            begin, before = time.monotonic(), tour.rack.recovered

            def say(line: str, name: str = name, begin: float = begin) -> None:
                print(f"chaos: {time.monotonic() - begin:6.0f} s  {name}: {line}", flush=True)

            say(f"case {number} of {len(names)}")
            try:
                CASES[name](tour, say)
                needed = tour.rack.recovered - before
                result = f"passed in {time.monotonic() - begin:.0f} s, {needed} times rack recover"
            except DisturbedError as error:
                result, tour = f"failed after {time.monotonic() - begin:.0f} s: {str(error)[:2000]}", None
            say(result)
            yield name, result
    finally:
        stop(services(STACK))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
