"""nova.virt.rackdriver.Rack: a simulated hypervisor with the hardware of the rack's computes.

It replaces libvirt and extends nova's own FakeDriver. nova loads drivers only from below `nova.virt`, where the
installation links this file. Simulated are the host's CPUs, memory and PCI devices (`hardware.json` in the state path:
`lab.cloud.translation.ComputeHardware`) and the guests, which are names in a file. All decisions are nova's own:
filters, claims, NUMA fitting, PCI whitelisting (with `devname`: only the look-ups in /sys are answered from
hardware.json).

Plugging an `ib_hostdev` VIF sets the VF's GUID in the lab's fabric; on a real host, eswitchd sets it. If the fabric
cannot be reached, the spawn fails, as on a real host.
"""

import importlib.util
import json
from pathlib import Path

import nova.conf
import os_resource_classes as orc
from nova import exception, objects
from nova.compute import power_state
from nova.pci import utils as pci_utils
from nova.virt import fake, hardware
from oslo_log import log
from oslo_serialization import jsonutils

CONF = nova.conf.CONF
LOG = log.getLogger(__name__)

LAB = Path(__file__).resolve().parents[2]
"""The folder `lab`: this file is in lab/cloud/inside, and nova's virtual environment has a link to it."""

PF = "0000:c1:00.0"
IB_HOSTDEV = "ib_hostdev"


def load(file):
    """Import a module of the lab, which needs the standard library only, by its path."""
    spec = importlib.util.spec_from_file_location(f"rack_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def vf_address(index):
    """Return the PCI address of the VF with this index, counted from 0."""
    return f"0000:c1:{(index + 1) // 8:02x}.{(index + 1) % 8}"


def vf_index(address):
    """Return the index of the VF with this PCI address."""
    slot, function = address.rpartition(":")[2].split(".")
    return int(slot, 16) * 8 + int(function, 16) - 1


def guid(mac):
    """Return the port GUID of a VF: the MAC with 00:00 in its middle, as mlnx_infiniband's client-id has it."""
    digits = mac.replace(":", "").lower()
    return f"{digits[:6]}0000{digits[6:]}"


class Rack(fake.FakeDriver):
    """Nova's fake driver with the hardware of a compute of the rack, whose VFs are ports of the fabric."""

    capabilities = dict(fake.FakeDriver.capabilities, supports_pcpus=True)

    local_gb = 3500

    def __init__(self, virtapi, read_only=False):
        state = Path(CONF.state_path)
        self.hw = json.loads((state / "hardware.json").read_text())
        self.identity = (state / "compute_id").read_text().strip()
        self.file = state / "guests.json"
        self.vcpus = self.hw["cells"] * self.hw["threads"]
        self.memory_mb = self.hw["cells"] * self.hw["memory_mib"]
        super().__init__(virtapi, read_only)
        self.fabric = load(LAB / "fabric" / "client.py").FabricClient(load(LAB / "addresses.py").FABRIC_SOCKET)
        self.plugged = {}  # instance -> {VF index: GUID}
        self.unreported = set()  # instances whose VFs are not in the fabric yet after a start
        self._answer_sysfs()
        self._check_cpu_sets()

    def _answer_sysfs(self):
        """Replace the look-ups in /sys of nova's whitelist: the ConnectX-6 is the only network device with VFs."""
        name = self.hw["pf_name"]
        pci_utils.get_function_by_ifname = lambda ifname: (PF, True) if ifname == name else (None, False)
        pci_utils.is_physical_function = lambda *fields: "{}:{}:{}.{}".format(*fields) == PF
        pci_utils.get_mac_by_pci_address = lambda address, pf_interface=False: None

    def _check_cpu_sets(self):
        """Refuse CPUs that the host does not have, as libvirt's driver does."""
        chosen = (hardware.get_cpu_dedicated_set() or set()) | (hardware.get_cpu_shared_set() or set())
        absent = chosen - set(range(self.vcpus))
        if absent:
            raise exception.Invalid(f"[compute] cpu_dedicated_set or cpu_shared_set: no such CPUs: {sorted(absent)}")

    # -------------------------------------------------------------------------------------------- guests, and their VFs

    def init_host(self, host):
        super().init_host(host)
        guests = json.loads(self.file.read_text()) if self.file.exists() else {}
        for instance, guest in guests.items():
            self.instances[instance] = fake.FakeInstance(guest["name"], power_state.RUNNING, instance)
            self.plugged[instance] = {int(vf): guid for vf, guid in guest["vfs"].items()}
        self.unreported = set(self.plugged)
        self._report()

    def _report(self):
        """Plug the VFs of guests that ran before nova-compute started; retry until the fabric answers."""
        for instance in sorted(self.unreported):
            try:
                for vf, value in self.plugged.get(instance, {}).items():
                    self.fabric.plug(self.hw["node"], vf, value)
                self.unreported.discard(instance)
            except Exception as error:
                LOG.error("VFs of instance %s are not in the fabric: %s", instance, error)

    def _save(self):
        guests = {
            instance: {"name": guest.name, "vfs": self.plugged.get(instance, {})}
            for instance, guest in self.instances.items()
        }
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(guests))
        fresh.replace(self.file)

    def spawn(self, context, instance, image, files, password, allocations, network_info=None, **kw):
        self.plug_vifs(instance, network_info or [])
        super().spawn(context, instance, image, files, password, allocations, network_info, **kw)
        self._save()

    def destroy(self, context, instance, network_info, *args, **kw):
        super().destroy(context, instance, network_info, *args, **kw)
        self.unplug_vifs(instance, network_info or [])
        self._save()

    def plug_vifs(self, instance, network_info):
        for vif in network_info:
            self._plug(instance, vif)

    def unplug_vifs(self, instance, network_info):
        for vf in list(self.plugged.get(instance.uuid, {})):
            self._unplug(instance, vf)
        self.plugged.pop(instance.uuid, None)

    def attach_interface(self, context, instance, image_meta, vif):
        super().attach_interface(context, instance, image_meta, vif)
        self._plug(instance, vif)
        self._save()

    def detach_interface(self, context, instance, vif):
        super().detach_interface(context, instance, vif)
        if vif["type"] == IB_HOSTDEV:
            self._unplug(instance, vf_index(vif["profile"]["pci_slot"]))
            self._save()

    def _plug(self, instance, vif):
        if vif["type"] != IB_HOSTDEV:
            return
        vf, value = vf_index(vif["profile"]["pci_slot"]), guid(vif["address"])
        try:
            self.fabric.plug(self.hw["node"], vf, value)
        except Exception as error:
            LOG.error("VF %s of %s is not set in the fabric: %s", vf, self.hw["node"], error, instance=instance)
            raise exception.InternalError(f"Failed to plug ib_hostdev VIF {vif['id']}: {error}") from error
        self.plugged.setdefault(instance.uuid, {})[vf] = value

    def _unplug(self, instance, vf):
        """Unplug a VIF. As with libvirt, a failure does not prevent the deletion of the instance."""
        try:
            self.fabric.unplug(self.hw["node"], vf)
        except Exception as error:
            LOG.error("VF %s of %s stays in the fabric: %s", vf, self.hw["node"], error, instance=instance)
        self.plugged[instance.uuid].pop(vf, None)

    # ---------------------------------------------------------------------------------------------------- the hardware

    def get_nodenames_by_uuid(self, refresh=False):
        (node,) = self.get_available_nodes()
        return {self.identity: node}

    def get_host_uptime(self):
        return f"up {float(Path('/proc/uptime').read_text().split()[0]):.0f} s"

    def get_available_resource(self, nodename):
        self._report()
        resources = super().get_available_resource(nodename)
        if resources:
            resources["uuid"] = self.identity
            resources["vcpus"] = self.vcpus
            resources["pci_passthrough_devices"] = jsonutils.dumps(self._pci())
            resources["numa_topology"] = self._numa()._to_json()
        return resources

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """Report VCPU and PCPU as libvirt's driver counts them, and all else as FakeDriver does."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        inventory = dict(provider_tree.data(nodename).inventory)
        dedicated, shared = self._cpus()
        for resource, cpus in ((orc.VCPU, shared), (orc.PCPU, dedicated)):
            if cpus:
                ratio = inventory[orc.VCPU]["allocation_ratio"] if resource == orc.VCPU else 1.0
                inventory[resource] = {
                    "total": len(cpus),
                    "min_unit": 1,
                    "max_unit": len(cpus),
                    "step_size": 1,
                    "allocation_ratio": ratio,
                    "reserved": 0,
                }
        if not shared:
            del inventory[orc.VCPU]
        provider_tree.update_inventory(nodename, inventory)

    def _cpus(self):
        """Return the CPUs for pinned and for other guests: all CPUs are for others if neither set is configured."""
        dedicated, shared = hardware.get_cpu_dedicated_set() or set(), hardware.get_cpu_shared_set() or set()
        return dedicated, shared if shared or dedicated else set(range(self.vcpus))

    def _pci(self):
        gpu, cells = self.hw["gpu_ids"], self.hw["cells"]
        devices = [
            self._device(f"0000:{0x10 + 8 * i:02x}:00.0", gpu, self.hw["gpu_type"], i * cells // self.hw["gpus"])
            for i in range(self.hw["gpus"])
        ]
        kind = "type-PF" if self.hw["vfs"] else "type-PCI"
        devices.append(self._device(PF, self.hw["pf_ids"], kind, cells - 1))
        for i in range(self.hw["vfs"]):
            extra = {"parent_ifname": self.hw["pf_name"], "capabilities": {"network": []}}
            devices.append(self._device(vf_address(i), self.hw["vf_ids"], "type-VF", cells - 1, PF, **extra))
        return devices

    def _device(self, address, ids, kind, cell, parent=None, **extra):
        return dict(
            address=address,
            vendor_id=ids[0],
            product_id=ids[1],
            status="available",
            dev_type=kind,
            parent_addr=parent,
            numa_node=cell,
            label="label_{}_{}".format(*ids),
            **extra,
        )

    def _numa(self):
        dedicated, shared = self._cpus()
        return objects.NUMATopology(cells=[self._cell(cell, dedicated, shared) for cell in range(self.hw["cells"])])

    def _cell(self, cell, dedicated, shared):
        threads, memory = self.hw["threads"], self.hw["memory_mib"]
        first, half = cell * threads, threads // 2
        cpus = set(range(first, first + threads))
        return objects.NUMACell(
            id=cell,
            socket=cell,
            cpuset=cpus & shared,
            pcpuset=cpus & dedicated,
            memory=memory,
            cpu_usage=0,
            memory_usage=0,
            pinned_cpus=set(),
            # libvirt reports siblings of the CPUs that guests may use
            siblings=[pair & (shared | dedicated) for pair in ({first + i, first + i + half} for i in range(half))],
            mempages=[objects.NUMAPagesTopology(size_kb=4, total=memory * 256, used=0)],
            network_metadata=objects.NetworkMetadata(physnets=set(), tunneled=False),
        )
