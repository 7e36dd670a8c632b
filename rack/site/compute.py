"""The hardware and the CPUs of the compute nodes (D7, O4)."""

from typing import Literal

from pydantic import Field

from rack.site.model import Model
from rack.site.names import CpuList, HexId, KernelArgs, Name, PciAddress


class Gpu(Model):
    """The GPU model of the computes (O4, T1)."""

    alias: Name = "a100"
    """What flavor and cloud call it; one name for both (T1)."""
    vendor_id: HexId = "10de"
    """As `lspci -nn` shows it."""
    product_id: HexId = "20f1"
    """As `lspci -nn` shows it."""
    device_type: Literal["type-PCI", "type-PF"] = "type-PCI"
    """type-PF for a GPU whose PCI function offers SR-IOV."""


class Compute(Model):
    """What the computes share: hardware is identical within a role (D7)."""

    hca: PciAddress = "c5:00.0"
    """The ConnectX-6's first function (B1)."""
    vfs: int = Field(default=8, ge=1, le=127)
    """Virtual functions: NUM_OF_VFS of the firmware (H2) and what the cloud makes of it (O2)."""
    gpu: Gpu = Gpu()
    dedicated_cpus: CpuList = "2-63"
    """CPUs of the instances, isolated from the host; follow the GPU's NUMA node (O4)."""
    shared_cpus: CpuList = "0-1"
    """CPUs of the host (O4)."""
    reserved_memory_mib: int = Field(default=4096, ge=512)
    """The host's memory in MiB, kept from instances (O4)."""
    kernel_args: KernelArgs = "amd_iommu=on iommu=pt"
    """`intel_iommu=on iommu=pt` on Intel (O4)."""
    max_acc_out_read: int = Field(default=44, ge=0, le=127)
    """MAX_ACC_OUT_READ of the firmware; 44 suits 200 Gb/s over PCIe Gen4 (H3)."""
