"""The overcloud (O1 to O6, T4): files, deployment, restart of UFM.

What this component enforces: every file is rendered from the plan and shown as a diff, the one with UFM's token as a
secret; nothing is deployed before the gate has opened (I4); a changed file runs the deployment again as a stack update,
and the stack is never deleted first. The guide edits ml2_conf.ini by hand after the deployment (O6, T4); here the
deployment writes these options, so that Neutron never runs without them.

Nodes are provisioned before they are deployed. In between, the adapters of new nodes are set (H1 to H3), because the
network configuration at the start of a deployment creates the VFs. `onhost/undercloud/factory.py` does that, for all
nodes of a role at once; a node that is deployed is not changed.

The texts of the commands are inputs of resources: a change of one, even of a message, runs its step again. The
deployment (`deploy`) and the restart of UFM must not run again for that reason.
"""

import json
import shlex
from collections.abc import Callable, Mapping

import pulumi
import pulumi_openstack as openstack
from pulumi_command import remote

from access.nodes import KINDS, NODE_PROGRAM, NodeHost, node_access, wave_order
from access.ssh import Operator, as_stack, script
from cloud.client import DOMAIN, REGION, Login
from cloud.outages import Outages
from components import ufm_host
from components.base import Component, untracked
from components.gate import Gate
from components.introspection import Introspection
from components.undercloud import Undercloud
from onhost import repositories, shipping
from onhost.undercloud.orders import encode
from rack import tripleo
from rack.plan import DEPLOY_FOLDER, Host, Plan
from rack.site import Role

FACTORY = "/home/stack/factory.py"
"""Path of the program that sets the adapters of new nodes."""


class Overcloud(Component):
    """The deployed overcloud, its nodes and its administrator's login."""

    TYPE = "rack:cloud:Overcloud"

    endpoint: pulumi.Output[str]
    """Keystone's public URL."""
    login: pulumi.Output[str]
    """The administrator's login, a secret: JSON of the variables of an rc file."""
    provider: openstack.Provider
    """Provider with the administrator's login, for resources in the cloud."""
    hooks: pulumi.ResourceHookBinding | None
    """Hooks of every resource in the cloud: see `cloud.outages`."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        operator: Operator,
        undercloud: Undercloud,
        introspection: Introspection,
        gate: Gate,
        sdn_token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Deploy the overcloud. `sdn_token`: UFM's access token for Neutron's SDN driver."""
        super().__init__(name, opts)
        self._plan, self._undercloud = plan, undercloud.host
        self._inventory = undercloud.ready
        self._for_deployment = introspection.for_deployment
        self.with_ports = introspection.with_ports
        """Makes inputs that depend on ports: see `Introspection.with_ports`."""
        # The first preview of a rack cannot know UFM's authority: it shows all other documents.
        makers = {tripleo.UFM_CA_DOCUMENT: self._for_deployment}
        files = {
            name: self._file(name, makers.get(name, self.with_ports)(render))
            for name, render in tripleo.DEPLOYMENT_DOCUMENTS.items()
        }
        provisioned = self._provision(gate, files)
        keys = {host.name: self._host_key(host, provisioned) for host in plan.hosts}
        self.host_keys = {name: key.stdout for name, key in keys.items()}
        """Node to its SSH host key, as a line of a known_hosts file."""
        self._node_program = self._undercloud.file(
            f"{name}-node-program",
            NODE_PROGRAM,
            shipping.program("undercloud.node"),
            owner="stack",
            opts=self._child(*self._inventory),
        )
        self.controllers = [self._node(h) for h in plan.controllers]
        self.computes = [self._node(h) for h in plan.computes]
        own = self._repositories(provisioned) if plan.site.undercloud.repositories else []
        ready = self._set_adapters(keys, own)
        deployed = self._deploy([*files.values(), *ready], sdn_token)
        self.ready: list[pulumi.Resource] = [*(self._restart_ufm(operator, deployed) or [deployed]), *own]
        """Resources that tenants' resources depend on."""
        self.provider, self.endpoint, self.hooks = self._credentials(deployed)
        self.register_outputs({"endpoint": self.endpoint})

    def _node(self, host: Host) -> NodeHost:
        key = self.host_keys[host.name]
        access = node_access(self._plan.site)
        return NodeHost(self._undercloud, host.name, str(host.address), access, key, self._node_program)

    def _provision(self, gate: Gate, files: Mapping[str, pulumi.Resource]) -> remote.Command:
        """Put the overcloud's image on new nodes (O5). Nodes that are provisioned, or deployed, stay as they are."""
        plan = self._plan
        networks, nodes = "network_data_ib_vm.yaml", "node-info-ib-vm.yaml"
        commands = [f"{shlex.join(words)} >&2" for words in plan.provision_commands]
        return self._undercloud.job(
            f"{self._name}-provision",
            as_stack(
                f": nodes {tripleo.digest(tripleo.network_data(plan), tripleo.node_info(plan))}",
                ". ~/stackrc",
                "output=$(mktemp -d)",  # the client refuses to overwrite its output
                "trap 'rm -r $output' EXIT",
                "cd $output",
                *commands,
            ),
            delete=as_stack(
                ". ~/stackrc",
                f"openstack overcloud node unprovision -y --all --stack {plan.site.cloud.name} {DEPLOY_FOLDER}/{nodes}",
            ),
            opts=self._child(
                files[networks],
                files[nodes],
                *gate.ready,
                protect=plan.site.protect,
            ),
        )

    def _set_adapters(self, keys: Mapping[str, pulumi.Resource], own: list[pulumi.Resource]) -> list[pulumi.Resource]:
        """Set the adapters of new nodes, which run nothing yet (H1 to H3). The site's repositories have mstflint."""
        text = shipping.program("undercloud.factory")
        program = self._undercloud.file(
            f"{self._name}-factory-program", FACTORY, text, owner="stack", opts=self._child(*self._inventory)
        )
        nodes = {role: self._plan.role(role) for role in Role if self._plan.role(role)}
        return [
            self._set_role(role, text, [program, *own, *(keys[node.name] for node in group)])
            for role, group in nodes.items()
        ]

    def _set_role(self, role: Role, program: str, before: list[pulumi.Resource]) -> remote.Command:
        plan, nodes = self._plan, self._plan.role(role)
        keys = pulumi.Output.all(*(untracked(self.host_keys[node.name]) for node in nodes))
        return self._undercloud.job(
            f"{self._name}-factory-{KINDS[role]}s",
            as_stack(f": program {tripleo.digest(program)}", f"exec python3 {FACTORY}"),
            delete=":",
            stdin=keys.apply(lambda keys: encode(wave_order(plan, role, nodes, keys, check_list=False))),
            opts=self._child(*before),
        )

    def _deploy(self, before: list[pulumi.Resource], sdn_token: pulumi.Input[str]) -> remote.Command:
        """Deploy (O1 to O5).

        The command contains a digest of its documents, so that a change of a document runs it again.
        """
        plan = self._plan
        sdn = pulumi.Output.secret(sdn_token).apply(lambda token: tripleo.ml2_sdn(plan, token))
        login = self._file("neutron-ml2-mlnx-sdn-vm.yaml", sdn, mode="0600")
        stack = plan.site.cloud.name
        return self._undercloud.job(
            f"{self._name}-deploy",
            self._after_each(lambda mark: as_stack(mark, ". ~/stackrc", f"{shlex.join(plan.deploy_command)} >&2")),
            # Without -b, tripleoclient 16.5.0 deletes the stack and leaves the nodes deployed.
            delete=as_stack(
                ". ~/stackrc",
                f"openstack overcloud delete -y -b {DEPLOY_FOLDER}/node-info-ib-vm.yaml --network-ports {stack}",
                f"rm -f ~/{stack}rc",
            ),
            opts=self._child(
                login,
                *before,
                protect=plan.site.protect,
            ),
        )

    def _after_each(self, make: Callable[[str], str]) -> pulumi.Input[str]:
        """Return a command that runs again after each deployment. `make` gets a line that names the deployment."""
        return self._for_deployment(lambda plan: make(f": deployment {tripleo.deployment_digest(plan)}"))

    def _file(self, name: str, content: pulumi.Input[str], mode: str = "0644") -> remote.Command:
        stem = name.partition(".")[0].replace("_", "-")
        return self._undercloud.file(
            f"{self._name}-{stem}",
            f"{DEPLOY_FOLDER}/{name}",
            content,
            owner="stack",
            mode=mode,
            opts=self._child(*self._inventory),
        )

    def _host_key(self, host: Host, provisioned: remote.Command) -> remote.Command:
        """Read a node's SSH host key, which its first boot created, from the undercloud over the provisioning network.

        There is one resource per node, so that a new node does not change those of the others.
        """
        port = self._plan.site.ssh.node_port
        name = host.address if port == 22 else f"[{host.address}]:{port}"
        return self._undercloud.run(
            f"{self._name}-host-key-{host.name}",
            script(
                f"found=$(ssh-keyscan -t ed25519 -p {port} {host.address} 2>/dev/null) || :",  # 1 without a key
                'key=$(echo "$found" | sed -n "s/^[^ #]* //p")',
                f'[ -n "$key" ] || {{ echo "{host.name} ({host.address}) answers no SSH; is it up?" >&2; exit 1; }}',
                f'echo "{name} $key"',
            ),
            opts=self._child(provisioned),
        )

    def _restart_ufm(self, operator: Operator, deployed: remote.Command) -> list[pulumi.Resource]:
        """Restart UFM after each deployment (O6), if this stack manages its host."""
        if not self._plan.site.ufm.host:
            return []
        return [
            operator.host(self._plan.site.ufm.ssh_address).run(
                f"{self._name}-restart-ufm",
                self._after_each(lambda mark: f"{mark}\n{ufm_host.restart(self._plan.site)}"),
                opts=self._child(deployed),
            )
        ]

    def _repositories(self, provisioned: remote.Command) -> list[pulumi.Resource]:
        """Set the site's own repositories on the nodes; mstflint comes from there (B1).

        The nodes start with the repositories of their image.
        """
        hosts = zip((*self._plan.controllers, *self._plan.computes), (*self.controllers, *self.computes), strict=True)
        return [
            at.run(
                f"{self._name}-repositories-{host.name}",
                script(*repositories.INSTALL),
                delete=script(*repositories.REMOVE),
                stdin=tripleo.repositories(self._plan),
                opts=self._child(provisioned),
            )
            for host, at in hosts
        ]

    def _credentials(
        self, deployed: remote.Command
    ) -> tuple[openstack.Provider, pulumi.Output[str], pulumi.ResourceHookBinding | None]:
        """Read the administrator's login that deployment wrote. The password stays in a secret output."""
        stack = self._plan.site.cloud.name
        rc = self._undercloud.run(
            f"{self._name}-credentials",
            as_stack(f"cat ~/{stack}rc"),
            quiet=True,
            opts=self._child(deployed),
        )
        self.login = rc.stdout.apply(lambda text: json.dumps(parse_rc(text)))

        def get(key: str, default: str | None = None) -> pulumi.Output[str]:
            return untracked(self.login).apply(lambda text: json.loads(text).get(key, default))

        hooks = Outages(self.login.apply(lambda text: Login.of(json.loads(text)))).binding()
        provider = openstack.Provider(
            f"{self._name}-admin",
            auth_url=pulumi.Output.unsecret(get("OS_AUTH_URL")),
            user_name=get("OS_USERNAME"),
            password=get("OS_PASSWORD"),
            tenant_name=get("OS_PROJECT_NAME"),
            user_domain_name=get("OS_USER_DOMAIN_NAME", DOMAIN),
            project_domain_name=get("OS_PROJECT_DOMAIN_NAME", DOMAIN),
            region=get("OS_REGION_NAME", REGION),
            opts=self._child(rc),
        )
        return provider, pulumi.Output.unsecret(get("OS_AUTH_URL")), hooks


def parse_rc(text: str) -> dict[str, str]:
    """Return the OS_ variables of an rc file: `export OS_USERNAME=admin`, with or without export and quotes."""
    pairs = (line.strip().removeprefix("export ").partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip(): shlex.split(value)[0] if value else "" for key, _, value in pairs if key.startswith("OS_")}
