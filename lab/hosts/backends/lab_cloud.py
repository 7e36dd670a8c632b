"""The lab's cloud as the hosts use it: what `lab.cloud` offers, and the few things that its client does not ask."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from lab.cloud import configuration, overcloud
from lab.cloud.client import ApiError, CloudClient, Session
from lab.cloud.translation import ComputeHardware, DeployFiles
from lab.hosts.backends.interfaces import ComputeService, Guest, NetworkAgent, RefusedError
from lab.process import Say

OLDEST = {"OpenStack-API-Version": "compute 2.1"}
"""What Wallaby's openstackclient asks for: services have numbers then."""


class LabCloud:
    """See `lab.hosts.backends.interfaces.CloudBackend`."""

    def deploy(self, files: DeployFiles, hardware: Mapping[str, ComputeHardware], say: Say) -> None:
        overcloud.deploy(files, hardware, say)

    def overcloudrc(self) -> str:
        return overcloud.overcloudrc()

    def ml2_conf(self) -> str:
        return overcloud.ml2_conf()

    def restart_neutron(self, ml2_conf: str, say: Say) -> None:
        overcloud.restart_neutron(ml2_conf, say)

    def restart_compute(self, host: str, hardware: ComputeHardware, say: Say) -> None:
        overcloud.restart_compute(host, hardware, say)

    def computes(self) -> Sequence[ComputeService]:
        if overcloud.deployed() is None:
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
        body = {"host": host, "binary": "nova-compute", **({"disabled_reason": reason} if reason else {})}
        verb = "disable-log-reason" if reason else "disable" if disabled else "enable"
        Session().send("PUT", f"{configuration.NOVA}/os-services/{verb}", json=body, headers=OLDEST)

    def stop_compute(self, host: str, say: Say) -> None:
        overcloud.stop_compute(host, say)

    def delete_compute(self, service: str) -> None:
        hosts = [known.host for known in self.computes() if str(known.id) == service]
        _delete(f"{configuration.NOVA}/os-services/{service}")
        for host in hosts:
            overcloud.forgotten(host)

    def agents(self, host: str = "") -> Sequence[NetworkAgent]:
        if overcloud.deployed() is None:
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
        _delete(f"{configuration.NEUTRON}/v2.0/agents/{agent}")

    def lose(self, host: str, say: Say) -> None:
        overcloud.lose(host, say)

    def delete(self, say: Say) -> None:
        overcloud.delete(say)

    def guests(self) -> Sequence[Guest]:
        if overcloud.deployed() is None:
            return []
        session = Session()
        found = session.get(f"{configuration.NOVA}/servers/detail", all_tenants="1")["servers"]
        if not found:
            return []
        ports = CloudClient().ports()
        images = {i["id"]: i["name"] for i in session.get(f"{configuration.GLANCE}/v2/images")["images"]}
        floating = session.get(f"{configuration.NEUTRON}/v2.0/floatingips")["floatingips"]
        owners = {p["id"]: p["device_id"] for p in session.get(f"{configuration.NEUTRON}/v2.0/ports")["ports"]}
        guests = []
        for server in found:
            mine = {port for port, owner in owners.items() if owner == server["id"]}
            addresses: dict[str, list[str]] = {}
            for port in ports:
                if port.id in mine:
                    addresses.setdefault(port.network_id, []).extend(port.fixed_ips)
            guests.append(
                Guest(
                    id=server["id"],
                    name=server["name"],
                    status=server["status"],
                    host=server.get("OS-EXT-SRV-ATTR:host") or "",
                    addresses=addresses,
                    floating={f["floating_ip_address"]: f["router_id"] for f in floating if f["port_id"] in mine},
                    keys=_keys(session, server),
                    image=images.get((server["image"] or {}).get("id", ""), ""),
                    gpus=_gpus(server["flavor"]),
                    direct=any(port.vnic_type == "direct" for port in ports if port.id in mine),
                )
            )
        return guests

    def dhcp_networks(self) -> Sequence[str]:
        if overcloud.deployed() is None:
            return []
        return [n.id for n in CloudClient().networks() if n.dhcp_subnets]

    def routers(self) -> Sequence[str]:
        if overcloud.deployed() is None:
            return []
        return [r["id"] for r in Session().get(f"{configuration.NEUTRON}/v2.0/routers")["routers"]]


def _delete(url: str) -> None:
    try:
        Session().send("DELETE", url, headers=OLDEST)
    except ApiError as error:
        raise RefusedError(error.reason, error.status, error.url) from error


def _keys(session: Session, server: Mapping[str, Any]) -> list[str]:
    """What cloud-init authorises: nova's key pair and the keys in a cloud-config of user data."""
    keys = list(user_data_keys(server.get("OS-EXT-SRV-ATTR:user_data") or ""))
    if server.get("key_name"):
        url = f"{configuration.NOVA}/os-keypairs/{server['key_name']}"
        keys.append(session.get(url, user_id=server["user_id"])["keypair"]["public_key"].strip())
    return keys


def _gpus(flavor: Mapping[str, Any]) -> int:
    """Devices that the flavor's aliases ask for: a100:1 (T1)."""
    aliases = flavor.get("extra_specs", {}).get("pci_passthrough:alias", "")
    return sum(int(alias.rpartition(":")[2]) for alias in aliases.split(",") if alias)


def user_data_keys(encoded: str) -> list[str]:
    """`ssh_authorized_keys` of a #cloud-config, for all and for each of its users."""
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
