"""Measure, and rewrite the sections of benchmarks/results.md.

    python -m benchmarks [noop | tenant | pkey | up | rebuild]...

    noop    a second `pulumi up` of the whole rack, compared with a stack of as many resources that do nothing
    tenant  the guide's tenant layer with Pulumi and with Terraform: create, no-op, destroy; same cloud, same provider
    pkey    a PKey of 800 members at a slow UFM: the provider's calls, compared with one call per member
    up      `make up` in a clean clone: with cold caches, then again after `make destroy` and `make lab-stop`
    rebuild 20 times `pulumi up` and `pulumi destroy` of the rack: duration, memory, what is left

`noop` and `tenant` need the deployed dev stack (`make up`), `up` and `rebuild` a stopped lab, `pkey` needs neither.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import pkey, rebuild, tenant
from engine.build import environment
from lab.addresses import STATE
from lab.hosts.connections import Connections

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).with_name("results.md")
RUNS = 3

Row = tuple[str, ...]


def main(names: Sequence[str]) -> None:
    """Run the named benchmarks; by default all but `up` and `rebuild`."""
    sections: dict[str, Callable[[], str]] = {
        "noop": noop,
        "tenant": tenant_layer,
        "pkey": partition,
        "up": up,
        "rebuild": rebuilds,
    }
    for name in names or ("noop", "tenant", "pkey"):
        write(name, sections[name]())


def write(name: str, text: str) -> None:
    """Replace the section between the two markers of `name`, or append it."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    old = RESULTS.read_text() if RESULTS.exists() else "# Benchmarks\n\nWritten by `python -m benchmarks`.\n"
    section = f"{begin}{text}{end}"
    head, found, rest = old.partition(begin)
    new = head + section + rest.partition(end)[2] if found else f"{old}\n{section}"
    RESULTS.write_text(new)
    print(text)


def machine() -> str:
    """Return date, commit and machine of the measurement. Seconds depend on them; ratios hardly do."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout.strip()
    return (
        f"{time.strftime('%Y-%m-%d')}, commit `{commit}`, {os.cpu_count()} cores {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(row) + " |\n" for row in (head, ("---",) * len(head), *rows))


def seconds(command: Sequence[str], cwd: Path = PROJECT, env: dict[str, str] | None = None) -> float:
    """Return the wall time of a command.

    Raises:
        SystemExit: the command failed.
    """
    begin = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - begin


def median(measure: Callable[[], float]) -> float:
    """Return the median of RUNS measurements."""
    return statistics.median(measure() for _ in range(RUNS))


def pulumi_environment(backend: Path | None = None) -> dict[str, str]:
    """Return the variables for `pulumi`. Python caches its bytecode, as in a user's shell."""
    env = {**os.environ, **environment(), "PULUMI_CONFIG_PASSPHRASE": "lab"}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**env, "PULUMI_BACKEND_URL": backend.as_uri()} if backend else env


def noop() -> str:
    """Measure a no-op `up` of the rack. It opens no SSH connection, so this is the time of engine and program."""
    up_again = ["pulumi", "up", "--yes", "--skip-preview", "--expect-no-changes", "--non-interactive"]
    env = pulumi_environment()
    count = len(subprocess.run(["pulumi", "stack", "export", "--stack", "dev"], cwd=PROJECT, env=env, text=True,
                               capture_output=True, check=True).stdout.split('"urn":')) - 1  # fmt: skip
    seconds([*up_again, "--stack", "dev"], env=env)
    connections = Connections(STATE / "hosts")
    rack = median(lambda: seconds([*up_again, "--stack", "dev"], env=env))
    opened = connections()
    with tempfile.TemporaryDirectory() as folder:
        flat = pulumi_environment(Path(folder)) | {"RESOURCES": str(count - 1)}
        program = PROJECT / "benchmarks/flat"
        seconds(["pulumi", "stack", "init", "flat"], program, flat)
        seconds(["pulumi", "up", "--yes", "--skip-preview", "--stack", "flat"], program, flat)
        empty = median(lambda: seconds([*up_again, "--stack", "flat"], program, flat))
        (program / "Pulumi.flat.yaml").unlink(missing_ok=True)
    rows = [
        (f"the rack, {count} resources", f"{rack:.1f}", f"{rack / empty:.2f}", str(opened)),
        (f"{count} resources that do nothing", f"{empty:.1f}", "1", "-"),
    ]
    note = (
        f"Median of {RUNS} runs of `pulumi up` that change nothing, and the SSH connections to the lab's hosts in all\n"
        f"runs together, from the logs of their servers. {machine()}.\n\n"
    )
    return "## No-op `up`\n\n" + note + table(("stack", "seconds", "ratio", "SSH connections"), rows)


def tenant_layer() -> str:
    """Measure the tenant layer with Pulumi and with Terraform."""
    found = tenant.compare(pulumi_environment(), seconds)
    rows = [
        (step, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}")
        for step, (ours, theirs) in found.items()
    ]  # fmt: skip
    note = (
        "The guide's tenant layer (image, flavor, networks, ports, two VMs, router, floating IP) on the lab's cloud,\n"
        f"with the same OpenStack provider, one run after the other. {machine()}.\n\n"
    )
    return "## Tenant layer\n\n" + note + table(("step", "pulumi, s", "terraform, s", "ratio"), rows)


def partition() -> str:
    """Measure a large PKey with the provider and with one call per member."""
    with tempfile.TemporaryDirectory() as folder:
        found = pkey.compare(Path(folder))
    rows = [
        (step, str(ours), f"{ours.seconds:.2f}", str(theirs), f"{theirs.seconds:.1f}",
         f"{ours.seconds / theirs.seconds:.3f}")
        for step, (ours, theirs) in found.items()
    ]  # fmt: skip
    note = (
        f"{pkey.MEMBERS} members, {pkey.CHANGED} of which change, at a UFM that delays each answer by\n"
        f"{pkey.LATENCY_MS} ms. The provider is compared with one call per member, {pkey.AT_A_TIME} at a time, as\n"
        f"with one resource per member. {machine()}.\n\n"
    )
    head = ("step", "provider's calls", "s", "one call per member", "s", "ratio")
    return "## A PKey of 800 members\n\n" + note + table(head, rows)


def up() -> str:
    """Measure `make up` in a clone of HEAD, first with empty caches. Installed Debian packages stay installed."""
    with tempfile.TemporaryDirectory() as folder:
        clone, cache = Path(folder, "rack"), Path(folder, "cache")
        seconds(["git", "clone", "-q", str(PROJECT), str(clone)])
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "VIRTUAL_ENV"))} | {
            "GOPATH": str(cache / "go"), "GOCACHE": str(cache / "go-build"), "PIP_CACHE_DIR": str(cache / "pip"),
            "UV_CACHE_DIR": str(cache / "uv"), "GOFLAGS": f"-modcacherw {os.environ.get('GOFLAGS', '')}".strip(),
        }  # fmt: skip
        cold = seconds(["make", "up"], clone, env)
        for target in ("destroy", "lab-stop"):
            seconds(["make", target], clone, env)
        warm = seconds(["make", "up"], clone, env)
        for target in ("destroy", "lab-stop"):
            seconds(["make", target], clone, env)
        shutil.rmtree(clone)
    rows = [("cold", f"{cold:.0f}", "1"), ("warm", f"{warm:.0f}", f"{warm / cold:.2f}")]
    return f"## `make up`\n\nIn a clean clone. {machine()}.\n\n" + table(("caches", "seconds", "ratio"), rows)


def rebuilds() -> str:
    """Deploy and destroy the rack `rebuild.ROUNDS` times. The section is written after each round."""
    text = ""
    for found in rebuild.measure():
        note = (
            f"{len(found)} times `pulumi up` and `pulumi destroy` of the guide's rack on one running lab. Memory: the\n"
            'peak of the resident set of each process in a round. "Left over": objects, files and processes that the\n'
            "rack, the temporary directory and the backend have after `destroy` and had not before. Round 1 starts\n"
            "on factory-new hosts: it shows what `destroy` keeps (below). Later rounds are compared with round 1.\n"
            "The backend is not that of `make`, which keeps the newest 20 backups of a stack: this one keeps all\n"
            "of them, and Pulumi's history.\n"
            f"{machine()}.\n\n"
        )
        after = "".join(f"\nRound {n} left:\n\n{lines}" for n, lines in rebuild.left(found))
        text = "## Destroy and rebuild\n\n" + note + table(rebuild.HEAD, rebuild.rows(found)) + after
        write("rebuild", text)
    return text


if __name__ == "__main__":
    main(sys.argv[1:])
