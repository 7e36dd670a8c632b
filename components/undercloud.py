"""The undercloud and its bare-metal inventory (C1 to C7); what leaves the configuration leaves the cloud first.

What this component enforces: the host is checked before it is changed (C1); every file is rendered from the plan and
shown as a diff; IPMI credentials travel in one secret file.
"""

import json
from importlib.resources import files
from typing import Any

import pulumi
from pulumi_command import remote

from components.ssh import Operator, as_stack, script
from rack import tripleo
from rack.plan import Plan
from rack.tripleo.undercloud import CONTAINERS_FILE

SUDOERS = "/etc/sudoers.d/rack-stack"
"""Written where this program made the user stack; only then destroy removes the user again."""

PROGRAM = "/home/stack/nodes.py"
NODES = "/home/stack/nodes.json"
"""Which nodes the last run knew."""
CLEANED = """\
tries=0
while openstack baremetal node list -f value -c Name -c 'Provisioning State' |
      grep -E '^({}) (deleting|cleaning|clean wait)$' >&2; do
  tries=$((tries + 1))
  [ "$tries" -lt 360 ] || {{ echo 'undercloud: these are not cleaned after an hour' >&2; exit 1; }}
  sleep 10
done"""
"""The nodes of a deleted overcloud are at rest, cleaned where undercloud.conf wants that."""
PAUSES = (0.5, 10.0)
"""Seconds between two looks of nodes.py, the first and the longest: agents stay up for minutes."""
CLEANING = 60
"""Minutes that cleaning a node's disks may take."""


class Undercloud(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        plan: Plan,
        operator: Operator,
        ipmi_password: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rack:cloud:Undercloud", name, None, opts)
        self._name, self._plan = name, plan
        self.host = operator.known(plan.site.undercloud.address)
        prepared = self._prepare()
        installed = self._install(prepared, self.host.runner(f"{name}-jobs", opts=self._child(prepared)))
        images = self._images(installed)
        self._text = files(__package__).joinpath("nodes.py").read_text()
        inventory = self._inventory(images, ipmi_password)
        self.ready: list[pulumi.Resource] = [self._leave(inventory)]
        """What must be done before nodes can be introspected."""
        self.endpoint = f"https://{plan.vip(1)}:13000"
        self.register_outputs({"endpoint": self.endpoint})

    def _child(self, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on))

    def _prepare(self) -> remote.Command:
        """C1: OS and disk checked, host name, user stack, Wallaby's repositories and client."""
        cloud = self._plan.site.undercloud
        return self.host.run(
            f"{self._name}-prepare",
            script(
                "fail=0",
                'say() { echo "undercloud: $1" >&2; fail=1; }',
                ". /etc/os-release",
                '[ "$ID-$VERSION_ID" = centos-8 ] || say "the OS is $PRETTY_NAME; install CentOS Stream 8 (C1)"',
                "size=$(df -BG --output=size / | tail -n 1 | tr -dc 0-9)",
                f'[ "$size" -ge {cloud.root_gib} ] || say "the root partition has $size GiB of {cloud.root_gib} (C1)"',
                '[ "$fail" = 0 ]',
                f"hostnamectl set-hostname {cloud.hostname}",
                "if ! id -u stack >/dev/null 2>&1; then",
                "  useradd -m stack",
                "  echo 'stack ALL=(root) NOPASSWD:ALL' | install -m 0440 /dev/stdin " + SUDOERS,
                "fi",
                "dnf install -y python3-tripleo-repos",
                "sudo -E tripleo-repos -b wallaby current",
                "dnf install -y python3-tripleoclient",
            ),
            delete=script(
                f"if [ -e {SUDOERS} ]; then userdel -rf stack; rm -f {SUDOERS}; fi",
                "rm -f /etc/yum.repos.d/delorean*.repo /etc/yum.repos.d/tripleo-centos-*.repo",
            ),
            opts=self._child(),
        )

    def _install(self, prepared: remote.Command, runner: remote.Command) -> remote.Command:
        """C2 to C4. All that comes after can be a job too."""
        conf = tripleo.undercloud_conf(self._plan)
        containers = tripleo.containers_prepare(self._plan)
        files = [
            self._file("undercloud-conf", "/home/stack/undercloud.conf", conf, prepared),
            self._file("containers-prepare", CONTAINERS_FILE, containers, prepared),
        ]
        return self.host.job(
            f"{self._name}-install",
            as_stack(
                f": documents {tripleo.digest(conf, containers)}",
                "openstack undercloud install >&2",
            ),
            delete=as_stack("rm -rf stackrc undercloud-passwords.conf tripleo-undercloud-*"),
            opts=pulumi.ResourceOptions.merge(
                self._child(runner, *files), pulumi.ResourceOptions(protect=self._plan.site.protect)
            ),
        )

    def _images(self, installed: remote.Command) -> remote.Command:
        """C5: the overcloud's own images, built where they are missing."""
        folder = self._plan.site.undercloud.images_dir
        return self.host.job(
            f"{self._name}-images",
            as_stack(
                f"mkdir -p {folder}",
                f"cd {folder}",
                "[ -e overcloud-full.qcow2 ] || openstack overcloud image build >&2",
                ". ~/stackrc",
                "openstack overcloud image upload --update-existing >&2",
                environment={
                    "DIB_RELEASE": "8-stream",
                    "DIB_YUM_REPO_CONF": "/etc/yum.repos.d/*",
                    "STABLE_RELEASE": "wallaby",
                },
            ),
            delete=f"rm -rf {folder}/overcloud-full.* {folder}/ironic-python-agent.*",
            opts=self._child(installed),
        )

    def _inventory(self, images: remote.Command, ipmi_password: pulumi.Input[str]) -> remote.Command:
        """C6, C7: known nodes are updated, new ones become manageable."""
        content = pulumi.Output.secret(ipmi_password).apply(lambda password: tripleo.instackenv(self._plan, password))
        instackenv = self.host.file(
            f"{self._name}-instackenv",
            "/home/stack/instackenv.json",
            content,
            owner="stack",
            mode="0600",
            opts=self._child(images),
        )
        names = [node.name for node in self._plan.site.nodes]
        return self.host.run(
            f"{self._name}-nodes",
            as_stack(
                f": nodes {' '.join(names)}",
                ". ~/stackrc",
                "openstack overcloud node import ~/instackenv.json",
            ),
            delete=as_stack(
                ". ~/stackrc", CLEANED.format("|".join(names)), f"openstack baremetal node delete {' '.join(names)}"
            ),
            opts=self._child(instackenv),
        )

    def _leave(self, inventory: remote.Command) -> remote.Command:
        """Scale-in: nodes that left the configuration leave the cloud and the inventory, before their ports leave the
        PKeys. Left-over instances stop it before anything is touched."""
        plan = self._plan
        program = self.host.file(
            f"{self._name}-nodes-program", PROGRAM, self._text, owner="stack", opts=self._child(inventory)
        )
        limit = f"{plan.site.firmware.drain_minutes + CLEANING}m"
        return self.nodes_job(
            f"{self._name}-leavers",
            "leave",
            self.program_mark,
            stdin=json.dumps(leave_order(plan)),
            delete=f"rm -f {NODES}",
            opts=pulumi.ResourceOptions.merge(
                self._child(program),
                pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit)),
            ),
        )

    @property
    def program_mark(self) -> str:
        """Names the text of nodes.py."""
        return f": program {tripleo.digest(self._text)}"

    def nodes_job(
        self,
        name: str,
        verb: str,
        mark: pulumi.Input[str],
        *,
        stdin: pulumi.Input[str],
        delete: str = ":",
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """A job of nodes.py's. `mark`: a line that does nothing; another one runs the job again."""
        command = pulumi.Output.from_input(mark).apply(
            lambda mark: as_stack(mark, ". ~/stackrc", f"exec python3 {PROGRAM} {verb}")
        )
        return self.host.job(name, command, stdin=stdin, delete=delete, opts=opts)

    def _file(self, name: str, path: str, content: str, *after: pulumi.Resource) -> remote.Command:
        return self.host.file(f"{self._name}-{name}", path, content, owner="stack", opts=self._child(*after))


def leave_order(plan: Plan) -> dict[str, Any]:
    """What `nodes.py leave` reads. Times in seconds."""
    firmware = plan.site.firmware
    return {
        "stack": plan.site.cloud.name,
        "nodes": {host.name: {"role": host.role, "host": host.hostname} for host in plan.hosts},
        "roles": tripleo.node_groups(plan),
        "instances": firmware.instances,
        "limit": firmware.drain_minutes * 60,
        "cleaning": CLEANING * 60,
        "pauses": PAUSES,
        "record": NODES,
    }
