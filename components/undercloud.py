"""The undercloud and its bare-metal inventory (C1 to C7), and scale-in of nodes removed from the configuration.

What this component enforces: the host is checked before it is changed (C1); the templates and the client that the
distribution's packages have brought are checked before they are used; every file is rendered from the plan and shown as
a diff; IPMI credentials and the registry's login travel in one secret file each.

The texts of the commands are inputs of resources: a change of one, even of a message, runs its step again. `install`
and `images` are jobs of an hour that must not run again for that reason.
"""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import remote

from access import local
from access.ssh import Operator, as_stack, script
from components.base import Component
from onhost import repositories, shipping
from onhost.undercloud.orders import LeaveOrder, Placement, TemplateRequirements, encode
from rack import tripleo
from rack.distribution import DISTRIBUTIONS, RELEASE_PACKAGE
from rack.plan import REGISTRY_FILE, Plan
from rack.tripleo.undercloud import CONTAINERS_FILE

SUDOERS = "/etc/sudoers.d/rack-stack"
"""Written if this program created the user stack; only then does destroy remove the user."""
ANCHOR = "/etc/pki/ca-trust/source/anchors/rack-registry.pem"
"""Certificate authority of the containers' registry (C3)."""
DISK_IMAGES = (*(distribution.overcloud_image for distribution in DISTRIBUTIONS.values()), "ironic-python-agent")
"""File name stems that C5 may leave in the folder of images."""
INSPECTION = "/opt/rack-inspection"
"""Path of the program that checks templates and client."""
PROGRAM = "/home/stack/nodes.py"
"""Path of the nodes' program."""
NODES = "/home/stack/nodes.json"
"""The file in which `nodes.py leave` records the nodes of its last run."""
CLEANED = """\
pause=1 waited=0
while openstack baremetal node list -f value -c Name -c 'Provisioning State' |
      grep -E '^({}) (deleting|cleaning|clean wait)$' >&2; do
  [ "$waited" -lt 3600 ] || {{ echo 'undercloud: these are not cleaned after an hour' >&2; exit 1; }}
  sleep $pause
  waited=$((waited + pause))
  [ "$pause" -ge 16 ] || pause=$((pause * 2))
done"""
"""Waits until the nodes of a deleted overcloud are in a stable state, and cleaned if undercloud.conf requires it."""
PAUSES = (0.5, 10.0)
"""Shortest and longest pause between two polls of nodes.py, in seconds: agents run for minutes."""
CLEANING_MINUTES = 60
"""How long cleaning a node's disks may take."""


class Undercloud(Component):
    """The undercloud with its registered nodes."""

    TYPE = "rack:cloud:Undercloud"

    def __init__(
        self,
        name: str,
        plan: Plan,
        operator: Operator,
        claims: Sequence[pulumi.Resource],
        ipmi_password: pulumi.Input[str] | None,
        registry_password: pulumi.Input[str] | None = None,
        ipmi_passwords: pulumi.Input[Mapping[str, str]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Install the undercloud and register the nodes.

        Args:
            name: prefix of the resources' names.
            plan: the plan.
            operator: the operator's SSH access.
            claims: what the first change of the host depends on: the host belongs to this stack.
            ipmi_password: of the nodes' controllers (BMCs).
            registry_password: of `undercloud.registry.user`, where there is one.
            ipmi_passwords: by node, of the controllers with another password than `ipmi_password`.
            opts: the component's options.
        """
        super().__init__(name, opts)
        self._plan, self._claims = plan, claims
        self.host = operator.host(plan.site.undercloud.ssh_address)
        prepared = self._prepare()
        inspected = self._inspect(prepared)
        fetching = self._registry(registry_password, inspected)
        installed = self._install([inspected, *fetching], self.host.runner(f"{name}-jobs", opts=self._child(prepared)))
        images = self._images(installed)
        self._text = shipping.program("undercloud.nodes")
        inventory = self._inventory(images, ipmi_password, ipmi_passwords)
        self.ready: list[pulumi.Resource] = [self._leave(inventory)]
        """Resources that introspection depends on."""
        self.endpoint = f"https://{plan.site.undercloud.public_address}:13000"
        self.register_outputs({"endpoint": self.endpoint})

    def _checks(self) -> list[str]:
        """Return shell lines that check the conditions of C1, print every fault and end the script if there is one."""
        cloud = self._plan.site.undercloud
        wanted, title = cloud.software.os, cloud.software.os_title
        conditions = {} if cloud.repositories else cloud.software.conditions
        return [
            "fail=0",
            'say() { echo "undercloud: $1" >&2; fail=1; }',
            ". /etc/os-release",
            f'[ "$ID-$VERSION_ID" = {wanted} ] || say "the OS is $PRETTY_NAME; install {title} (C1)"',
            "size=$(df -BG --output=size / | tail -n 1 | tr -dc 0-9)",
            f'[ "$size" -ge {cloud.root_gib} ] || say "the root partition has $size GiB of {cloud.root_gib} (C1)"',
            *(f'{test} || say "{otherwise}"' for test, otherwise in conditions.items()),
            '[ "$fail" = 0 ]',
        ]

    def _prepare(self) -> remote.Command:
        """Check OS and disk, then set host name, user stack, the distribution's repositories and the client (C1)."""
        cloud = self._plan.site.undercloud
        own = self._repositories() if cloud.repositories else self._release_package()
        written = cloud.software.repository_files
        return self.host.run(
            f"{self._name}-prepare",
            script(
                *self._checks(),
                f"hostnamectl set-hostname {cloud.hostname}",
                "if ! id -u stack >/dev/null 2>&1; then",
                "  useradd -m stack",
                "  echo 'stack ALL=(root) NOPASSWD:ALL' | install -m 0440 /dev/stdin " + SUDOERS,
                "fi",
                *([] if cloud.repositories else cloud.software.repositories),
                "dnf install -y python3-tripleoclient",
            ),
            delete=script(
                f"if [ -e {SUDOERS} ]; then userdel -rf stack; rm -f {SUDOERS}; fi",
                *([f"rm -f {' '.join(written)}"] if written else []),
            ),
            opts=self._child(*(own or self._claims)),
        )

    def _repositories(self) -> list[pulumi.Resource]:
        """Replace all repositories by the site's own, where the configuration has them (C1)."""
        return [
            self.host.run(
                f"{self._name}-repositories",
                script(*self._checks(), *repositories.INSTALL),
                delete=script(*repositories.REMOVE),
                stdin=tripleo.repositories(self._plan),
                opts=self._child(*self._claims),
            )
        ]

    def _release_package(self) -> list[pulumi.Resource]:
        """Install the package that adds the distribution's repositories, if a fresh host's repositories lack it (C1).

        It is not signed. An installed package stays as it is, so that a later `up` needs no network.
        """
        url = self._plan.site.undercloud.release_repository
        if not url:
            return []
        added = [f"--repofrompath=rack-release,{url}", "--setopt=rack-release.gpgcheck=0", RELEASE_PACKAGE]
        install = shlex.join(["dnf", "install", "-y", *([url] if url.endswith(".rpm") else added)])
        return [
            self.host.run(
                f"{self._name}-release-package",
                script(*self._checks(), f"rpm -q {RELEASE_PACKAGE} || {install}"),
                opts=self._child(*self._claims),
            )
        ]

    def _inspect(self, prepared: remote.Command) -> remote.Command:
        """Check that templates and client are those that the documents were made for (C1)."""
        text = shipping.program("undercloud.templates")
        program = self.host.file(f"{self._name}-inspection", INSPECTION, text, mode="0755", opts=self._child(prepared))
        return self.host.run(
            f"{self._name}-templates",
            f": program {tripleo.digest(text)}\n{INSPECTION}",
            stdin=encode(TemplateRequirements(**tripleo.template_requirements(self._plan)), indent=1),
            opts=self._child(program),
        )

    def _registry(self, password: pulumi.Input[str] | None, inspected: remote.Command) -> list[pulumi.Resource]:
        """Set what the registry of the containers needs (C3)."""
        registry = self._plan.site.undercloud.registry
        return [
            *([self._authority(registry.ca_file, inspected)] if registry.ca_file else []),
            *([self._login(registry.user, password, inspected)] if registry.user else []),
        ]

    def _authority(self, file: Path, inspected: remote.Command) -> remote.Command:
        """Add the registry's authority to the system's, which podman and TripleO's Python use."""
        return self.host.run(
            f"{self._name}-registry-ca",
            script(f"install -m 0644 /dev/stdin {ANCHOR}", "update-ca-trust"),
            delete=script(f"rm -f {ANCHOR}", "update-ca-trust"),
            stdin=local.read("undercloud.registry.caFile", file),
            opts=self._child(inspected),
        )

    def _login(self, user: str, password: pulumi.Input[str] | None, inspected: remote.Command) -> remote.Command:
        if password is None:
            raise pulumi.RunError(f"the password of {user} is missing: pulumi config set --secret registryPassword")
        login = pulumi.Output.secret(password).apply(lambda text: tripleo.registry_login(self._plan, text))
        return self.host.file(
            f"{self._name}-registry-login",
            REGISTRY_FILE,
            login,
            owner="stack",
            mode="0600",
            opts=self._child(inspected),
        )

    def _install(self, before: Sequence[pulumi.Resource], runner: remote.Command) -> remote.Command:
        """Write the documents and install the undercloud (C2 to C4)."""
        conf = tripleo.undercloud_conf(self._plan)
        containers = tripleo.containers_prepare(self._plan)
        documents = [
            self._file("undercloud-conf", "/home/stack/undercloud.conf", conf, *before),
            self._file("containers-prepare", CONTAINERS_FILE, containers, *before),
        ]
        return self.host.job(
            f"{self._name}-install",
            as_stack(
                f": documents {tripleo.digest(conf, containers)}",
                "openstack undercloud install >&2",
            ),
            delete=as_stack("rm -rf stackrc undercloud-passwords.conf tripleo-undercloud-*"),
            opts=self._child(runner, *documents, protect=self._plan.site.protect),
        )

    def _images(self, installed: remote.Command) -> remote.Command:
        """Upload the overcloud's disk images: built or installed where they are missing, or from an archive (C5)."""
        cloud = self._plan.site.undercloud
        folder, software, archive = cloud.images_dir, cloud.software, cloud.images_archive
        own = {"DIB_YUM_REPO_CONF": repositories.FILE} if cloud.repositories and software.images_environment else {}
        get = (
            [f"tar -xf {archive} >&2"]
            if archive
            else [
                f"if [ ! -e {software.overcloud_image}.qcow2 ]; then",
                *(f"  {line} >&2" for line in software.images),
                "fi",
            ]
        )
        return self.host.job(
            f"{self._name}-images",
            as_stack(
                f"mkdir -p {folder}",
                f"cd {folder}",
                *get,
                ". ~/stackrc",
                "openstack overcloud image upload --update-existing >&2",
                environment={} if archive else {**software.images_environment, **own},
            ),
            delete="rm -rf " + " ".join(f"{folder}/{name}.*" for name in DISK_IMAGES),
            opts=self._child(installed),
        )

    def _inventory(
        self,
        images: remote.Command,
        ipmi_password: pulumi.Input[str] | None,
        ipmi_passwords: pulumi.Input[Mapping[str, str]] | None,
    ) -> remote.Command:
        """Register the nodes (C6, C7): new ones become manageable, known ones are updated.

        The inventory is the input of the registration too, so that a changed address or password reaches ironic.
        """
        passwords: pulumi.Input[list[Any]] = pulumi.Output.all(ipmi_password, ipmi_passwords)
        content = pulumi.Output.secret(passwords).apply(lambda given: inventory(self._plan, *given))
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
                "cat >/dev/null",
                ". ~/stackrc",
                "openstack overcloud node import ~/instackenv.json",
            ),
            stdin=content,
            quiet=True,
            delete=as_stack(
                ". ~/stackrc", CLEANED.format("|".join(names)), f"openstack baremetal node delete {' '.join(names)}"
            ),
            opts=self._child(instackenv),
        )

    def _leave(self, inventory: remote.Command) -> remote.Command:
        """Scale in the nodes that were removed from the configuration, before their ports are removed from PKeys.

        Instances that are left on them stop it before anything is changed.
        """
        plan = self._plan
        program = self.host.file(
            f"{self._name}-nodes-program", PROGRAM, self._text, owner="stack", opts=self._child(inventory)
        )
        return self.nodes_job(
            f"{self._name}-leavers",
            "leave",
            self.program_mark,
            stdin=encode(leave_order(plan)),
            delete=f"rm -f {NODES}",
            opts=self._child(program),
        )

    @property
    def program_mark(self) -> str:
        """Shell line that names the text of nodes.py, so that a changed program runs again."""
        return f": program {tripleo.digest(self._text)}"

    def nodes_job(
        self,
        name: str,
        verb: str,
        mark: pulumi.Input[str],
        *,
        stdin: pulumi.Input[str],
        delete: str = ":",
        quiet: bool = False,
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Register a job that runs nodes.py. `mark`: a shell line without effect; another one runs the job again."""
        command = pulumi.Output.from_input(mark).apply(
            lambda mark: as_stack(mark, ". ~/stackrc", f"exec python3 {PROGRAM} {verb}")
        )
        return self.host.job(name, command, stdin=stdin, delete=delete, quiet=quiet, opts=opts)

    def _file(self, name: str, path: str, content: str, *after: pulumi.Resource) -> remote.Command:
        return self.host.file(f"{self._name}-{name}", path, content, owner="stack", opts=self._child(*after))


def inventory(plan: Plan, common: str | None, own: Mapping[str, str] | None) -> str:
    """Return `instackenv.json` with the password of each node's controller: its own, else the common one (C6).

    Raises:
        RunError: a node has no password, or a password belongs to no node.
    """
    names = {node.name for node in plan.site.nodes}
    missing, unknown = sorted(names - (own or {}).keys()), sorted((own or {}).keys() - names)
    if unknown:
        raise pulumi.RunError(f"rack:ipmiPasswords: found {', '.join(unknown)}, which nodes does not list; remove it")
    if missing and not common:
        advice = "run `pulumi config set --secret ipmiPassword`"
        raise pulumi.RunError(f"rack:ipmiPassword: missing, for {', '.join(missing)}; {advice}")
    return tripleo.instackenv(plan, common or "", own or {})


def leave_order(plan: Plan) -> LeaveOrder:
    """Return the order of `nodes.py leave`."""
    firmware = plan.site.firmware
    return LeaveOrder(
        stack=plan.site.cloud.name,
        nodes={host.name: Placement(role=host.role, host=host.hostname) for host in plan.hosts},
        roles=tripleo.node_groups(plan),
        instances=firmware.instances,
        limit=firmware.drain_minutes * 60,
        cleaning=CLEANING_MINUTES * 60,
        pauses=PAUSES,
        record=NODES,
    )
