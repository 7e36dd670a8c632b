"""`python -m lab install | start | status | stop [--stack dev]`: the lab's four parts.

Needs root: Debian packages, and hosts with roots of their own.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lab import addresses
from lab.assembly import parts
from lab.process import LabError, Part, Say
from rack.site.load import ConfigError

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program before it starts a service; 101 forbids it."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=("install", "start", "status", "stop"))
    parser.add_argument("--stack", default="dev", help="Pulumi.STACK.yaml describes the rack (default: dev)")
    options = parser.parse_args(arguments)
    try:
        lab = parts(addresses.PROJECT / f"Pulumi.{options.stack}.yaml")
        return {"install": install, "start": start, "status": status, "stop": stop}[options.command](lab)
    except (LabError, ConfigError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def install(lab: Sequence[Part]) -> int:
    """Debian packages in one go, then what each part brings besides, side by side. A no-op when done."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it installs Debian packages and gives each host a root of its own")
    install_packages(sorted({package for part in lab for package in part.packages}), print)
    _side_by_side(lab, "install")
    return 0


def start(lab: Sequence[Part]) -> int:
    """The fabric first, then the others side by side."""
    begin = time.monotonic()
    install(lab)
    fabric, *others = lab
    fabric.start(_say(fabric))
    _side_by_side(others, "start")
    print(f"lab: up after {time.monotonic() - begin:.0f} s; `make lab-status` shows it")
    return status(lab)


def status(lab: Sequence[Part]) -> int:
    """One line a process; for a crashed one the tail of its log. 1 where one is missing."""
    missing = 0
    for part in lab:
        for process in part.processes():
            pid = process.pid()
            missing += pid is None
            state = f"pid {pid}" if pid else "crashed" if process.crashed() else "not running"
            print(f"{part.name:8} {process.name:20} {state}")
            if process.crashed():
                print(f"--- the end of {process.log}\n{process.tail()}\n---")
    return 1 if missing else 0


def stop(lab: Sequence[Part]) -> int:
    """Hosts first, for they talk to the others; the fabric last."""
    for part in reversed(lab):
        part.stop(_say(part))
    left = [process.name for part in lab for process in part.processes() if process.pid()]
    if left:
        raise LabError(f"still running: {', '.join(left)}")
    print("lab: nothing runs")
    return 0


def _side_by_side(lab: Sequence[Part], step: str) -> None:
    with ThreadPoolExecutor(len(lab)) as pool:
        running = {part.name: pool.submit(getattr(part, step), _say(part)) for part in lab}
    failed = [(name, error) for name, future in running.items() if (error := future.exception())]
    unexpected = [error for _, error in failed if not isinstance(error, LabError)]
    if unexpected:
        raise unexpected[0]
    if failed:
        raise LabError("\n".join(f"{name}: {error}" for name, error in failed))


def _say(part: Part) -> Say:
    begin = time.monotonic()
    return lambda line: print(f"{part.name:8} {time.monotonic() - begin:5.1f} s  {line}", flush=True)


def install_packages(packages: Sequence[str], say: Say) -> None:
    """Installs what is missing, without letting Debian start any service.

    Raises:
        LabError: apt-get fails; with the end of its output.
    """
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    say(f"lab: installing {' '.join(missing)}")
    with _no_services():
        _apt("update", "-q")
        _apt("install", "-y", "-q", "--no-install-recommends", *missing)


def _installed(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


def _apt(*arguments: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], capture_output=True, text=True, env=env)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LabError(f"apt-get {arguments[0]} failed:\n{tail}")


@contextmanager
def _no_services() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
