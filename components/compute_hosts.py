"""What GPUDirect RDMA asks of the computes: adapter firmware (H1 to H3, B1) and ACS on the PCIe bridges (B2).

What this component enforces: the firmware is asked first and only what differs is set; a compute is rebooted only when
a setting has to be applied, never with guests on it; the values are verified after the reboot. The reboot is driven
from the machine that runs pulumi, by its own ssh: a command on the host itself would be cut off by it.
"""

from importlib.resources import files

import pulumi
from pulumi_command import local

from components.overcloud import Overcloud
from components.ssh import script
from rack.plan import Host, Plan


class ComputeHosts(pulumi.ComponentResource):
    def __init__(self, name: str, plan: Plan, overcloud: Overcloud, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("rack:cloud:ComputeHosts", name, None, opts)
        self.ready: list[pulumi.Resource] = []
        """What must be done before instances are placed."""
        for host, at in zip(plan.computes, overcloud.computes, strict=True):
            firmware = local.Command(
                f"{name}-firmware-{host.name}",
                create=_firmware(plan, host),
                update=_firmware(plan, host),
                stdin=overcloud.host_keys[host.name],
                add_previous_output_in_env=False,
                opts=pulumi.ResourceOptions(parent=self, depends_on=overcloud.ready),
            )
            acs = at.run(
                f"{name}-acs-{host.name}",
                script(*_acs(plan.site.compute.hca)),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[firmware]),
            )
            self.ready.append(acs)
        self.register_outputs({})


def _acs(hca: str) -> list[str]:
    """B2: the guide's value on every device that has the capability; verified on the bridge above the adapter.

    0x5D: source validation, request and completion redirect, upstream forwarding, direct translated P2P.
    """
    return [
        "for bdf in $(lspci -d '*:*:*' | awk '{print $1}'); do",
        '  sudo setpci -v -s "$bdf" ECAP_ACS+0x6.w=0x5D 2>/dev/null || true',
        "done",
        f"bridge=$(lspci -PP -s {hca} | cut -d ' ' -f 1 | awk -F/ '{{print $(NF-1)}}')",
        "sudo lspci -s \"$bridge\" -vvv | grep 'ACSCtl:.*DirectTrans+' ||"
        ' { echo "bridge $bridge above the adapter does not take ACS direct translation; enable ACS in the BIOS" >&2;'
        " exit 1; }",
    ]


def _firmware(plan: Plan, host: Host) -> str:
    """`firmware.sh` with its variables."""
    ssh, compute = plan.site.ssh, plan.site.compute
    return script(
        files(__package__).joinpath("firmware.sh").read_text(),
        environment={
            "NAME": host.name,
            "TARGET": f"{ssh.overcloud_user}@{host.address}",
            "PORT": str(ssh.port),
            "KEY": str(ssh.private_key_file.expanduser()),
            "HCA": compute.hca,
            "FIRST": f"LINK_TYPE_P1=1 SRIOV_EN=1 NUM_OF_VFS={compute.vfs} ATS_ENABLED=1 ADVANCED_PCI_SETTINGS=1",
            "SECOND": f"MAX_ACC_OUT_READ={compute.max_acc_out_read}",
        },
    )
