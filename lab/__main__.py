"""Install, start, inspect and stop the lab: `python -m lab install | start | status | stop [--stack dev]`.

Needs root: it installs Debian packages and gives each host a root file system of its own.
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
from lab.assembly import services
from lab.endpoints import require_free
from lab.process import LabError, Process, Say
from lab.service import Service
from rack.site.load import ConfigError

POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian runs this program before it starts a daemon; status 101 forbids the start."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command for the services of a stack's lab and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=("install", "start", "status", "stop"))
    parser.add_argument("--stack", default="dev", help="Pulumi.STACK.yaml describes the rack (default: dev)")
    options = parser.parse_args(arguments)
    try:
        lab = services(addresses.PROJECT / f"Pulumi.{options.stack}.yaml")
        return {"install": install, "start": start, "status": status, "stop": stop}[options.command](lab)
    except (LabError, ConfigError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def install(lab: Sequence[Service]) -> int:
    """Install the Debian packages of all services at once, then the rest of each service in parallel. Idempotent.

    Raises:
        LabError: the caller is not root, an address that the lab needs is taken (before anything is changed), or a
            package or service cannot be installed.
    """
    if os.geteuid() != 0:
        raise LabError("run as root: the lab installs Debian packages and gives each host a root file system")
    require_free(
        (endpoint for service in lab for endpoint in service.endpoints()),
        (pid for service in lab for process in service.processes() if (pid := process.pid())),
    )
    install_packages(sorted({package for service in lab for package in service.packages}), print)
    _in_parallel(lab, "install")
    return 0


def start(lab: Sequence[Service]) -> int:
    """Start the fabric first, then the other services in parallel.

    Raises:
        LabError: a service cannot be installed or does not become healthy.
    """
    begin = time.monotonic()
    install(lab)
    fabric, *others = lab
    fabric.start(_progress(fabric))
    _in_parallel(others, "start")
    print(f"lab: up after {time.monotonic() - begin:.0f} s; `make lab-status` lists its processes")
    return status(lab)


def status(lab: Sequence[Service]) -> int:
    """Print one line per process, and the end of the log of a crashed one. Return 1 if a process does not run."""
    missing = 0
    for service in lab:
        for process in service.processes():
            missing += process.pid() is None
            print(f"{service.name:8} {process.name:20} {_state(process)}")
            if process.crashed():
                print(f"--- the end of {process.log}\n{process.tail()}\n---")
    return 1 if missing else 0


def _state(process: Process) -> str:
    if pid := process.pid():
        return f"pid {pid}"
    return "crashed" if process.crashed() else "not running"


def stop(lab: Sequence[Service]) -> int:
    """Stop the services in reverse order: the hosts first, because they call the others, and the fabric last.

    Raises:
        LabError: a process still runs.
    """
    for service in reversed(lab):
        service.stop(_progress(service))
    left = [process.name for service in lab for process in service.processes() if process.pid()]
    if left:
        raise LabError(f"stop: these processes still run: {', '.join(left)}")
    print("lab: stopped, no process left")
    return 0


def _in_parallel(lab: Sequence[Service], step: str) -> None:
    with ThreadPoolExecutor(len(lab)) as pool:
        running = {service.name: pool.submit(getattr(service, step), _progress(service)) for service in lab}
    failed = [(name, error) for name, future in running.items() if (error := future.exception())]
    unexpected = [error for _, error in failed if not isinstance(error, LabError)]
    if unexpected:
        raise unexpected[0]
    if failed:
        raise LabError("\n".join(f"{name}: {error}" for name, error in failed))


def _progress(service: Service) -> Say:
    begin = time.monotonic()
    return lambda line: print(f"{service.name:8} {time.monotonic() - begin:5.1f} s  {line}", flush=True)


def install_packages(packages: Sequence[str], say: Say) -> None:
    """Install the missing packages and prevent Debian from starting their daemons.

    Raises:
        LabError: apt-get failed; the text ends with the end of its output.
    """
    missing = [package for package in packages if not _installed(package)]
    if not missing:
        return
    say(f"lab: installing {' '.join(missing)}")
    with _no_daemons():
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
def _no_daemons() -> Iterator[None]:
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
