"""Overcloud nodes that are up: firmware, GPUs, and their placement. The undercloud's user stack enters them.

Before the first deployment no node has an operating system, so there is nothing to enter; that is no fault.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.case import Case
from doctor.finding import Finding, error, ok, unknown, warning
from onhost.questions import ShellQuestion
from onhost.undercloud.shell import KEYS
from rack.firmware import parameters
from rack.plan import Host
from rack.site import Role

ENTER = """\
exec runuser -u stack -- sh -s <<'STACK'
cd
for key in {keys}; do [ -e "$key" ] && break; done
[ -e "$key" ] || {{ echo 'user stack has no key for the nodes' >&2; exit 1; }}
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
ssh-keyscan -T 5 -t ed25519 -p {port} {address} >"$folder/known_hosts" 2>/dev/null
[ -s "$folder/known_hosts" ] || {{ echo 'SSH does not answer' >&2; exit 1; }}
ssh -F none -T -i "$key" -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR \\
  -o StrictHostKeyChecking=yes -o UserKnownHostsFile="$folder/known_hosts" \\
  -p {port} {user}@{address} 'sudo -n sh -s' <<'NODE'
{script}
NODE
STACK
"""
LOOK = """\
hca={hca}
numa() {{ lspci -v -s "$1" | sed -n 's/.*NUMA node: *\\([0-9]*\\).*/\\1/p' | grep -m 1 . || echo -; }}
path() {{ lspci -D -PP -s "$1" | cut -d ' ' -f 1 | head -n 1; }}
case $hca in *:*:*) device=$hca ;; *) device=0000:$hca ;; esac
echo "firmware=$(cat /sys/bus/pci/devices/$device/infiniband/*/fw_ver 2>/dev/null | head -n 1)"
echo "vfs=$(cat /sys/bus/pci/devices/$device/sriov_totalvfs 2>/dev/null)"
echo "cpus=$(lscpu -p=CPU 2>/dev/null | grep -vc '^#')"
echo "memory=$(awk '$1 == "MemTotal:" {{ print int($2 / 1024) }}' /proc/meminfo)"
command -v lspci >/dev/null || exit 0
echo "hca_numa=$(numa "$hca")"
echo "hca_path=$(path "$hca")"
for gpu in $(lspci -D -n -d {gpu} | cut -d ' ' -f 1); do echo "gpu=$gpu $(numa "$gpu") $(path "$gpu")"; done
"""
"""What the node is asked, as lines KEY=VALUE; an empty value: unknown. lspci shows no NUMA node where there is one."""


def questions(case: Case) -> list[ShellQuestion]:
    """Return a question per node, for the probe on the undercloud."""
    return [ShellQuestion(f"node {host.name}", _script(case, host)) for host in case.plan.hosts]


def _script(case: Case, host: Host) -> str:
    site = case.site
    keys = " ".join(key.format(stack=site.cloud.name) for key in KEYS)
    look = LOOK.format(hca=_hca(case, host), gpu=f"{site.compute.gpu.vendor_id}:{site.compute.gpu.product_id}")
    where = {"port": site.ssh.node_port, "address": host.address, "user": shlex.quote(site.ssh.overcloud_user)}
    return ENTER.format(keys=keys, script=look, **where)


def _hca(case: Case, host: Host) -> str:
    own = case.site.firmware.controller_hca if host.role is Role.CONTROLLER else None
    return str(own or case.site.compute.hca).removeprefix("0000:")


def findings(case: Case, answers: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the findings on the nodes."""
    for host in case.plan.hosts:
        where, answer = f"{host.name} ({host.address})", answers[f"node {host.name}"]
        if not answer["ok"]:
            reason = (answer["text"].splitlines() or ["no answer"])[-1]
            yield unknown(where, f"not entered: {reason}", "expected before it is deployed and while it is off", "O5")
            continue
        lines = [line.partition("=") for line in answer["text"].splitlines()]
        facts = {key: value for key, _, value in lines}
        gpus = [value.split() for key, _, value in lines if key == "gpu"]
        yield from _firmware(case, host, where, facts)
        if host.role is Role.COMPUTE:
            yield from _gpus(case, where, facts, gpus)
            yield from _amounts(case, where, facts)


def _firmware(case: Case, host: Host, where: str, facts: Mapping[str, str]) -> Iterator[Finding]:
    release, least = facts.get("firmware", ""), case.site.firmware.minimum_release
    if not release:
        found = f"there is no InfiniBand adapter at {_hca(case, host)}"
        yield error(where, found, "correct compute.hca or firmware.controllerHca: lspci -d 15b3:", "H1")
        return
    if least and _numbers(release) < _numbers(str(least)):
        yield error(where, f"its adapter has firmware {release}", f"update it to {least} or later", "H1")
    else:
        yield ok(where, f"its adapter has firmware {release}", "H1")
    wanted = parameters(case.site, host.role).get("NUM_OF_VFS", 0)
    if host.role is Role.COMPUTE and facts.get("vfs", "").isdigit() and int(facts["vfs"]) < wanted:
        found = f"its adapter offers {facts['vfs']} of {wanted} virtual functions"
        yield warning(where, found, "`up` sets SRIOV_EN and NUM_OF_VFS; check SR-IOV in the BIOS", "H2")


def _numbers(release: str) -> list[int]:
    return [int(part) for part in release.split(".") if part.isdigit()]


def _gpus(case: Case, where: str, facts: Mapping[str, str], gpus: list[list[str]]) -> Iterator[Finding]:
    model = f"{case.site.compute.gpu.vendor_id}:{case.site.compute.gpu.product_id}"
    if "hca_numa" not in facts:
        yield unknown(where, "there is no lspci, so GPUs were not looked for", "dnf install pciutils", "B3")
        return
    if not gpus:
        yield error(where, f"it has no GPU {model}", "correct compute.gpu: lspci -nn -d 10de:", "O4")
        return
    yield ok(where, f"{len(gpus)} GPUs {model}", "O4")
    hca_numa, hca_path = facts["hca_numa"], facts.get("hca_path", "")
    near = [gpu for gpu in gpus if len(gpu) > 2 and gpu[1] == hca_numa and _bridge(gpu[2], hca_path)]
    if near:
        node = f" and NUMA node {hca_numa}" if hca_numa.isdigit() else ""
        yield ok(where, f"{near[0][0]} shares a PCIe bridge{node} with the adapter", "B3")
    else:
        found = "no GPU shares a PCIe bridge and a NUMA node with the adapter"
        yield warning(where, found, "move the adapter to a slot beside a GPU: lspci -tv", "B3")


def _bridge(one: str, other: str) -> bool:
    """Return whether two paths of `lspci -PP` have a bridge in common: they begin at the same root port."""
    return "/" in one and one.partition("/")[0] == other.partition("/")[0]


def _amounts(case: Case, where: str, facts: Mapping[str, str]) -> Iterator[Finding]:
    """Compare CPUs and memory with `compute.hardware`."""
    hardware = case.site.compute.hardware
    if hardware is None:
        return
    cpus, memory = sum(_count(node) for node in hardware.numa), hardware.memory_mib
    if facts.get("cpus", "").isdigit() and int(facts["cpus"]) != cpus:
        fix = "correct compute.hardware.numa: lscpu"
        yield error(where, f"it has {facts['cpus']} CPUs; compute.hardware has {cpus}", fix, "O4")
    if facts.get("memory", "").isdigit() and int(facts["memory"]) < memory:
        fix = "correct compute.hardware.memoryMib: free -m"
        yield error(where, f"it has {facts['memory']} MiB; compute.hardware has {memory}", fix, "O4")


def _count(cpus: str) -> int:
    """Return the number of CPUs in a list as 0-31,64."""
    ends = [part.split("-") for part in str(cpus).split(",")]
    return sum(int(part[-1]) - int(part[0]) + 1 for part in ends)
