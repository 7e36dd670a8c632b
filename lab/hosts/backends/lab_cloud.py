"""The lab's overcloud, as the hosts use it: `lab.cloud`, and requests that its client lacks."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lab.cloud import configuration, deployment, operations, processes
from lab.cloud.client import ApiError, CloudClient, Port, Session
from lab.hosts.backends.interfaces import ComputeService, Guest, NetworkAgent, ServiceRefusedError

OLDEST = {"OpenStack-API-Version": "compute 2.1"}
"""The microversion that Wallaby's openstackclient requests: its services have numbers as IDs."""


class LabCloud:
    """Implements `CloudBackend` with the lab's overcloud. Methods without a body here are functions of `lab.cloud`."""

    deploy = staticmethod(deployment.deploy)
    overcloudrc = staticmethod(operations.overcloudrc)
    ml2_conf = staticmethod(operations.ml2_conf)
    restart_compute = staticmethod(operations.restart_compute)
    stop_compute = staticmethod(operations.stop_compute)
    lose = staticmethod(operations.unprovision)
    delete = staticmethod(deployment.delete)
    sql = staticmethod(processes.sql)

    def computes(self) -> Sequence[ComputeService]:
        """Return every nova-compute; none if no cloud runs."""
        if deployment.current() is None:
            return []
        url = f"{configuration.NOVA}/os-services"
        found = Session().send("GET", url, params={"binary": "nova-compute"}, headers=OLDEST)["services"]
        return [
            ComputeService(
                id=service["id"],
                host=service["host"],
                up=service["state"] == "up",
                disabled=service["status"] == "disabled",
                reason=service["disabled_reason"] or "",
                updated=service["updated_at"] or "",
            )
            for service in found
        ]

    def set_compute(self, host: str, *, disabled: bool, reason: str = "") -> None:
        """Disable or enable a nova-compute."""
        body = {"host": host, "binary": "nova-compute", **({"disabled_reason": reason} if reason else {})}
        verb = "disable-log-reason" if reason else "disable" if disabled else "enable"
        Session().send("PUT", f"{configuration.NOVA}/os-services/{verb}", json=body, headers=OLDEST)

    def delete_compute(self, service: str) -> None:
        """Delete a compute service, and forget its hardware."""
        hosts = [compute.host for compute in self.computes() if str(compute.id) == service]
        _delete(f"{configuration.NOVA}/os-services/{service}")
        for host in hosts:
            operations.compute_deleted(host)

    def agents(self, host: str = "") -> Sequence[NetworkAgent]:
        """Return Neutron's agents, or those of one host; none if no cloud runs."""
        if deployment.current() is None:
            return []
        query = {"host": host} if host else {}
        return [
            NetworkAgent(
                id=agent["id"],
                type=agent["agent_type"],
                host=agent["host"],
                binary=agent["binary"],
                zone=agent["availability_zone"],
                alive=agent["alive"],
                up=agent["admin_state_up"],
            )
            for agent in Session().get(f"{configuration.NEUTRON}/v2.0/agents", **query)["agents"]
        ]

    def delete_agent(self, agent: str) -> None:
        """Delete an agent."""
        _delete(f"{configuration.NEUTRON}/v2.0/agents/{agent}")

    def guests(self) -> Sequence[Guest]:
        """Return every VM; none if no cloud runs."""
        if deployment.current() is None:
            return []
        session = Session()
        found = session.get(f"{configuration.NOVA}/servers/detail", all_tenants="1")["servers"]
        if not found:
            return []
        ports = CloudClient().ports()
        images = {i["id"]: i["name"] for i in session.get(f"{configuration.GLANCE}/v2/images")["images"]}
        floating = session.get(f"{configuration.NEUTRON}/v2.0/floatingips")["floatingips"]
        owners = {p["id"]: p["device_id"] for p in session.get(f"{configuration.NEUTRON}/v2.0/ports")["ports"]}
        return [_guest(session, server, ports, owners, images, floating) for server in found]

    def dhcp_networks(self) -> Sequence[str]:
        """Return the IDs of the networks that have a DHCP server."""
        if deployment.current() is None:
            return []
        return [n.id for n in CloudClient().networks() if n.dhcp_subnets]

    def routers(self) -> Sequence[str]:
        """Return the IDs of the routers."""
        if deployment.current() is None:
            return []
        return [r["id"] for r in Session().get(f"{configuration.NEUTRON}/v2.0/routers")["routers"]]


def _guest(
    session: Session,
    server: Mapping[str, Any],
    ports: Sequence[Port],
    owners: Mapping[str, str],
    images: Mapping[str, str],
    floating: Sequence[Mapping[str, Any]],
) -> Guest:
    """Return a VM from nova's record of it.

    `owners`: port ID → server ID. `images`: image ID → name. `floating`: Neutron's floating IPs.
    """
    own = [port for port in ports if owners.get(port.id) == server["id"]]
    own_ids = {port for port, owner in owners.items() if owner == server["id"]}
    addresses: dict[str, list[str]] = {}
    for port in own:
        addresses.setdefault(port.network_id, []).extend(port.fixed_ips)
    return Guest(
        id=server["id"],
        name=server["name"],
        status=server["status"],
        host=server.get("OS-EXT-SRV-ATTR:host") or "",
        addresses=addresses,
        floating={f["floating_ip_address"]: f["router_id"] for f in floating if f["port_id"] in own_ids},
        keys=_keys(session, server),
        image=images.get((server["image"] or {}).get("id", ""), ""),
        gpus=_gpus(server["flavor"]),
        direct=any(port.vnic_type == "direct" for port in own),
    )


def _delete(url: str) -> None:
    try:
        Session().send("DELETE", url, headers=OLDEST)
    except ApiError as error:
        raise ServiceRefusedError(error.reason, error.status, error.url) from error


def _keys(session: Session, server: Mapping[str, Any]) -> list[str]:
    """Return the keys that cloud-init authorises: nova's key pair, and those in a cloud-config of user data."""
    keys = list(user_data_keys(server.get("OS-EXT-SRV-ATTR:user_data") or ""))
    if server.get("key_name"):
        url = f"{configuration.NOVA}/os-keypairs/{server['key_name']}"
        keys.append(session.get(url, user_id=server["user_id"])["keypair"]["public_key"].strip())
    return keys


def _gpus(flavor: Mapping[str, Any]) -> int:
    """Return the number of devices that the flavor's aliases request, e.g. a100:1 (T1)."""
    aliases = flavor.get("extra_specs", {}).get("pci_passthrough:alias", "")
    return sum(int(alias.rpartition(":")[2]) for alias in aliases.split(",") if alias)


def user_data_keys(encoded: str) -> list[str]:
    """Return `ssh_authorized_keys` of base64-encoded user data in the form #cloud-config; none for any other form."""
    try:
        text = base64.b64decode(encoded).decode()
        document = yaml.safe_load(text) if text.startswith("#cloud-config") else {}
    except (binascii.Error, UnicodeDecodeError, yaml.YAMLError):
        return []
    if not isinstance(document, dict):
        return []
    users = [u for u in document.get("users") or [] if isinstance(u, dict)]
    lists = [document.get("ssh_authorized_keys"), *(u.get("ssh_authorized_keys") for u in users)]
    return [key.strip() for keys in lists for key in keys or []]
