"""Design rules of the computes' hardware facts, `compute.hardware` (O4, T1, B3). Without them, the rules are silent."""

from collections import Counter
from collections.abc import Iterator

from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site
from rack.site.names import cpus


def _ranges(numbers: frozenset[int]) -> str:
    """Return CPUs in Linux's format: {0, 1, 4} → `0-1,4`."""
    starts = sorted(n for n in numbers if n - 1 not in numbers)
    ends = sorted(n for n in numbers if n + 1 not in numbers)
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))


@rule(
    "HW001",
    "O4",
    "Each CPU of a compute belongs to one NUMA node, and the adapter and the GPU belong to NUMA nodes of the list.",
)
def numa_nodes(site: Site) -> Iterator[Finding]:
    """Look for CPUs of several NUMA nodes, then for unknown nodes."""
    facts = site.compute.hardware
    if not facts:
        return
    listed = ((f"compute.hardware.numa[{i}]", cpu) for i, node in enumerate(facts.numa) for cpu in cpus(node))
    for path, cpu in duplicates(listed):
        yield Finding(path, f"CPU {cpu} more than once", "write each CPU once, as `lscpu` shows it")
    for key, number in (("hcaNuma", facts.hca_numa), ("gpuNuma", facts.gpu_numa)):
        if number >= len(facts.numa):
            found = f"{number}, with {len(facts.numa)} nodes in numa"
            yield Finding(f"compute.hardware.{key}", found, f"write a number from 0 to {len(facts.numa) - 1}")


@rule("HW002", "O4", "The CPUs of the instances and of the host exist on the computes.")
def cpus_exist(site: Site) -> Iterator[Finding]:
    """Compare both lists with the CPUs of all NUMA nodes."""
    facts, compute = site.compute.hardware, site.compute
    if not facts:
        return
    existing = frozenset[int]().union(*map(cpus, facts.numa))
    for key, written in (("dedicatedCpus", compute.dedicated_cpus), ("sharedCpus", compute.shared_cpus)):
        missing = cpus(written) - existing
        if missing:
            found = f"{written!r}, of which the computes do not have {_ranges(missing)}"
            yield Finding(f"compute.{key}", found, f"write CPUs of {_ranges(existing)}")


@rule(
    "HW003", "B3", "The adapter and the GPU are on one NUMA node, under one PCIe bridge: else GPUDirect RDMA is slow."
)
def gpu_beside_adapter(site: Site) -> Iterator[Finding]:
    """Compare the two NUMA nodes."""
    facts = site.compute.hardware
    if facts and facts.gpu_numa != facts.hca_numa and max(facts.gpu_numa, facts.hca_numa) < len(facts.numa):
        found = f"{facts.gpu_numa}, where the adapter is on NUMA node {facts.hca_numa}"
        write = "move the adapter or the GPU to a slot beside the other, or write the numbers that the computes show"
        yield Finding("compute.hardware.gpuNuma", found, write)


@rule("HW004", "B3", "The instances' CPUs are on the GPU's NUMA node.")
def cpus_beside_gpu(site: Site) -> Iterator[Finding]:
    """Compare the dedicated CPUs with the node's. A node or CPU that does not exist is reported by HW001 and HW002."""
    facts = site.compute.hardware
    if not facts or facts.gpu_numa >= len(facts.numa):
        return
    beside, existing = cpus(facts.numa[facts.gpu_numa]), frozenset[int]().union(*map(cpus, facts.numa))
    elsewhere = (cpus(site.compute.dedicated_cpus) & existing) - beside
    if elsewhere:
        found = f"{site.compute.dedicated_cpus!r}, of which {_ranges(elsewhere)} are on another NUMA node than the GPU"
        rest = beside - cpus(site.compute.shared_cpus)
        yield Finding("compute.dedicatedCpus", found, f"write CPUs of {_ranges(rest)}")


def _crowded(site: Site) -> tuple[str, int]:
    """Return the compute to which most instances are pinned, with their number."""
    counted = Counter(vm.compute for vm in site.tenant.instances).most_common(1)
    return counted[0] if counted else ("a compute", 0)


@rule("HW005", "T1", "A compute has a GPU for each GPU of the instances that are pinned to it.")
def enough_gpus(site: Site) -> Iterator[Finding]:
    """Compare the GPUs of the flavor with the GPUs of the compute."""
    facts, each = site.compute.hardware, site.tenant.flavor.gpus
    if not facts:
        return
    name, count = _crowded(site)
    if max(count, 1) * each > facts.gpus:
        found = f"{each} per instance, {count} instances on {name}, which has {facts.gpus} GPUs"
        yield Finding("tenant.flavor.gpus", found, "write fewer, or pin fewer instances to one compute")


@rule("HW007", "T1", "The disk of a compute holds the disks of the instances that are pinned to it.")
def enough_disk(site: Site) -> Iterator[Finding]:
    """Compare the disk of the flavor with the disk of the compute."""
    facts, each = site.compute.hardware, site.tenant.flavor.disk_gib
    if not facts or facts.disk_gib is None:
        return
    name, count = _crowded(site)
    if max(count, 1) * each > facts.disk_gib:
        found = f"{each} GiB per instance, {count} instances on {name}, which has {facts.disk_gib} GiB"
        yield Finding("tenant.flavor.diskGib", found, f"write at most {facts.disk_gib // max(count, 1)}")


@rule(
    "HW006",
    "T1",
    "The memory of the GPU's NUMA node is enough for the instances that are pinned to a compute, and the whole memory "
    "for them and the host.",
)
def enough_memory(site: Site) -> Iterator[Finding]:
    """Compare the memory of the flavor with the memory of the compute."""
    facts, each, reserved = site.compute.hardware, site.tenant.flavor.ram_mib, site.compute.reserved_memory_mib
    if not facts:
        return
    name, count = _crowded(site)
    free = min(facts.memory_mib - reserved, facts.memory_mib // len(facts.numa))
    if free <= 0:
        found = f"{reserved} of {facts.memory_mib} MiB"
        yield Finding("compute.reservedMemoryMib", found, "write less than compute.hardware.memoryMib")
    elif max(count, 1) * each > free:
        found = f"{each} MiB per instance, {count} instances on {name}, which has {free} MiB for them on a NUMA node"
        yield Finding("tenant.flavor.ramMib", found, f"write at most {free // max(count, 1)}")
