"""Configuration of the compute nodes' hardware and CPUs (D7, O4)."""

from typing import Literal

from pydantic import Field

from rack.site.model import Model
from rack.site.names import CpuList, HexId, KernelArgs, Name, PciAddress


class Gpu(Model):
    """GPU model of the computes (O4, T1)."""

    alias: Name = "a100"
    """PCI alias in Nova's configuration and in the flavor (T1)."""
    vendor_id: HexId = "10de"
    """PCI vendor ID, as `lspci -nn` shows it."""
    product_id: HexId = "20f1"
    """PCI device ID, as `lspci -nn` shows it."""
    device_type: Literal["type-PCI", "type-PF"] = "type-PF"
    """Nova's type of the device: type-PF if the GPU's PCI function has the SR-IOV capability, as NVIDIA's data-centre
    GPUs have since Ampere, else type-PCI. With the other type the scheduler finds no host (GPU001)."""


class Hardware(Model):
    """What a compute contains. The rules HW001 to HW007 compare flavor and CPU lists with it (O4, T1, B3)."""

    numa: tuple[CpuList, ...] = Field(min_length=1, max_length=32)
    """CPUs of each NUMA node, from node 0, as `lscpu` shows them."""
    memory_mib: int = Field(ge=1024, le=2**26)
    """Memory in MiB, as `free -m` shows it."""
    disk_gib: int | None = Field(default=None, ge=1, le=2**20)
    """Size in GiB of the file system with /var/lib/nova, as `df -BG` shows it. If omitted, the flavor's disk is not
    compared."""
    gpus: int = Field(ge=1, le=16)
    """Number of GPUs of the model in `compute.gpu`."""
    hca_numa: int = Field(ge=0, le=31)
    """NUMA node of the adapter: `cat /sys/bus/pci/devices/ADDRESS/numa_node`."""
    gpu_numa: int = Field(ge=0, le=31)
    """NUMA node of the GPUs. It equals `hcaNuma` (HW003)."""


class Compute(Model):
    """Settings of all computes. Nodes of a role have identical hardware (D7)."""

    hca: PciAddress = "c5:00.0"
    """PCI address of the ConnectX-6's first function (B1)."""
    vfs: int = Field(default=8, ge=1, le=127)
    """Number of virtual functions: NUM_OF_VFS in the firmware (H2), and as many VFs on the host (O2)."""
    gpu: Gpu = Gpu()
    dedicated_cpus: CpuList = "2-63"
    """CPUs of the instances, isolated from the host. Choose those of the GPU's NUMA node (O4)."""
    shared_cpus: CpuList = "0-1"
    """CPUs of the host (O4)."""
    reserved_memory_mib: int = Field(default=4096, ge=512, le=2**26)
    """Memory in MiB that is reserved for the host (O4)."""
    kernel_args: KernelArgs = "amd_iommu=on iommu=pt"
    """Kernel arguments. On Intel, write `intel_iommu=on iommu=pt` (O4)."""
    max_acc_out_read: int = Field(default=44, ge=0, le=127)
    """MAX_ACC_OUT_READ in the firmware; 44 suits 200 Gb/s over PCIe Gen4 (H3)."""
    max_read_request: Literal[512, 1024, 2048, 4096] | None = None
    """MaxReadReq of the adapter in bytes, which the guide raises to 4096 where the bandwidth needs it (B1). A unit sets
    it at each boot. If omitted, the BIOS's value stays."""
    hardware: Hardware | None = None
    """If omitted, CPU lists and flavor are not compared with the computes' hardware."""
