"""The cloud's processes: their commands, the order of their start, and their health checks."""

import hashlib
import os
import socket
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests

from lab import addresses
from lab.addresses import LOOPBACK
from lab.cloud import configuration
from lab.cloud.folders import COMPUTES, DATA, ETC, RUN, VENV
from lab.process import LabError, Process

BIN = VENV / "bin"

# Ignore the caller's Python and proxy settings; cache bytecode, or every start compiles all modules.
_ENV = {
    "PYTHONPATH": "",
    "PYTHONWARNINGS": "ignore",
    "PYTHONDONTWRITEBYTECODE": "",
    "LD_PRELOAD": "",
    "no_proxy": "*",
    "NO_PROXY": "*",
    "RACK_LAB_DIR": str(addresses.STATE),
}


def _process(name: str, *argv: str | Path, **env: str) -> Process:
    return Process(name, [str(word) for word in argv], RUN, {**_ENV, **env}, cwd=RUN)


def mariadb() -> Process:
    """Return MariaDB. Its client connects through the socket, OpenStack through TCP."""
    return _process("mariadb", "mariadbd", f"--defaults-file={ETC}/my.cnf")


def epmd() -> Process:
    """Return Erlang's port mapper, on a port of the lab."""
    return _process("epmd", "epmd", "-port", str(addresses.EPMD_PORT), "-address", LOOPBACK)


def rabbitmq() -> Process:
    """Return RabbitMQ with one scheduler thread and no busy waiting; Debian's wrapper would need a user of its own."""
    folder = DATA / "rabbitmq"
    return _process(
        "rabbitmq",
        "/usr/lib/rabbitmq/bin/rabbitmq-server",
        HOME=str(folder),
        ERL_EPMD_PORT=str(addresses.EPMD_PORT),
        ERL_EPMD_ADDRESS=LOOPBACK,
        RABBITMQ_NODENAME="lab@localhost",
        RABBITMQ_NODE_IP_ADDRESS=LOOPBACK,
        RABBITMQ_NODE_PORT=str(addresses.RABBIT_PORT),
        RABBITMQ_DIST_PORT=str(addresses.RABBIT_DIST_PORT),
        RABBITMQ_MNESIA_BASE=str(folder),
        RABBITMQ_LOG_BASE=str(RUN),
        RABBITMQ_CONFIG_FILE=str(ETC / "rabbitmq.conf"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(ETC / "rabbitmq_plugins"),
        RABBITMQ_PID_FILE=str(RUN / "rabbitmq.erlpid"),
        RABBITMQ_CONF_ENV_FILE="/dev/null",
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none +A 8 +MBas ageffcbf",
    )


def _wsgi(name: str, port: int, **env: str) -> Process:
    script = Path(__file__).with_name("inside") / "wsgi.py"
    return _process(name, BIN / "python", script, name, str(port), **env)


def keystone() -> Process:
    """Return keystone behind waitress."""
    return _wsgi("keystone", addresses.KEYSTONE_PORT, OS_KEYSTONE_CONFIG_DIR=str(ETC / "keystone"))


def placement() -> Process:
    """Return placement behind waitress."""
    return _wsgi("placement", addresses.PLACEMENT_PORT, OS_PLACEMENT_CONFIG_DIR=str(ETC / "placement"))


def glance() -> Process:
    """Return glance's own server."""
    return _process("glance", BIN / "glance-api", "--config-file", ETC / "glance" / "glance-api.conf")


@dataclass(frozen=True)
class ConfiguredProcess:
    """A process of nova or neutron, and the files that it reads when it starts."""

    process: Process
    inputs: tuple[Path, ...]

    def digest(self) -> str:
        """Return a digest of the command and the files."""
        read = [*self.process.argv, *(file.read_text() for file in self.inputs)]
        return hashlib.sha256("\0".join(read).encode()).hexdigest()

    def outdated(self) -> bool:
        """Return whether the process does not run, or runs with other files or another command."""
        record = self._record
        return self.process.pid() is None or not record.exists() or record.read_text() != self.digest()

    def start(self) -> None:
        """Start the process and record its digest."""
        self.process.start()
        self._record.write_text(self.digest())

    @property
    def _record(self) -> Path:
        return RUN / f"{self.process.name}.inputs"


def neutron() -> ConfiguredProcess:
    """Return neutron-server, one for all controllers. A later file overrides an earlier one."""
    files = tuple(ETC / "neutron" / name for name in ("neutron.conf", "before.ini", "ml2_conf.ini", "after.ini"))
    return ConfiguredProcess(_process("neutron-server", BIN / "neutron-server", *_files(files)), files)


def nova_controllers() -> list[ConfiguredProcess]:
    """Return nova's conductor, scheduler and API, one of each for all controllers."""
    files = tuple(ETC / "nova" / name for name in ("nova.conf", "databases.conf", "controller.conf"))
    return [
        ConfiguredProcess(_nova(name, name, files), files) for name in ("nova-conductor", "nova-scheduler", "nova-api")
    ]


def nova_compute(host: str) -> ConfiguredProcess:
    """Return nova-compute of one host."""
    files = (ETC / "nova" / "nova.conf", COMPUTES / host / "compute.conf")
    process = _nova(f"nova-compute-{host.partition('.')[0]}", "nova-compute", files)
    return ConfiguredProcess(process, (*files, COMPUTES / host / "hardware.json"))


def _nova(name: str, program: str, files: Iterable[Path]) -> Process:
    return _process(name, BIN / program, *_files(files), "--log-file", RUN / f"{name}-service.log")


def _files(files: Iterable[Path]) -> list[str | Path]:
    return [word for file in files for word in ("--config-file", file)]


# -------------------------------------------------------------------------------------------------- starting, stopping


def base() -> list[Process]:
    """Return the processes that run without an overcloud, in the order of their start."""
    return [mariadb(), epmd(), rabbitmq(), keystone(), placement(), glance()]


def start_base() -> None:
    """Start the base and wait until all of it answers. Idempotent.

    Raises:
        LabError: a process ends or does not answer.
    """
    (DATA / "rabbitmq").mkdir(parents=True, exist_ok=True)
    epmd().start()
    mariadb().start()
    rabbitmq().start()
    wait_for_port(mariadb(), addresses.MYSQL_PORT)
    for process in (keystone(), placement(), glance()):
        process.start()
    wait_for_port(rabbitmq(), addresses.RABBIT_PORT)
    wait_for_http(keystone(), configuration.KEYSTONE)
    wait_for_http(placement(), configuration.PLACEMENT)
    wait_for_http(glance(), configuration.GLANCE)


def stop(processes: Sequence[Process]) -> None:
    """Stop the processes in parallel."""
    with ThreadPoolExecutor(max_workers=max(1, len(processes))) as pool:
        list(pool.map(Process.stop, processes))


def stop_all(processes: Sequence[Process]) -> None:
    """Stop all processes: clients first, then RabbitMQ and MariaDB, then the port mapper."""
    last = (mariadb(), rabbitmq())
    names = {process.name for process in (*last, epmd())}
    stop([process for process in processes if process.name not in names])
    stop(last)
    epmd().stop()


def wait_for_port(process: Process, port: int, seconds: float = 60) -> None:
    """Return when a process listens on the loopback port. Raises LabError as `Process.wait` does."""

    def listens() -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((LOOPBACK, port)) == 0

    process.wait(listens, seconds)


def wait_for_http(process: Process, url: str, seconds: float = 90) -> None:
    """Return when the URL answers with a status below 500. Raises LabError as `Process.wait` does."""
    process.wait(lambda: _answers(url), seconds)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


def run(argv: Sequence[str | Path], stdin: str | None = None, **env: str) -> str:
    """Run a command to its end.

    Returns:
        Its standard output.

    Raises:
        LabError: the command fails; the text ends with the end of its output.
    """
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **_ENV, **env},
        check=False,
    )
    if done.returncode:
        name = Path(str(argv[0])).name
        raise LabError(f"{name} {argv[1] if len(argv) > 1 else ''} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def sql(statements: str, database: str = "mysql") -> list[list[str]]:
    """Run SQL as root through the socket and return the rows without headings and unescaped.

    Raises:
        LabError: the database does not run or refuses the statement.
    """
    client = ["mariadb", "--no-defaults", "--user=root", f"--socket={configuration.MYSQL_SOCKET}"]
    output = run([*client, "--batch", "--skip-column-names", database], stdin=statements)
    return [line.split("\t") for line in output.splitlines()]
