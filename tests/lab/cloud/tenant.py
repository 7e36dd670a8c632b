"""Actions of a tenant and an admin in the cloud, over its public APIs."""

from typing import Any

from lab.cloud import configuration
from lab.cloud.client import Session
from lab.process import until

NEUTRON = f"{configuration.NEUTRON}/v2.0"
NOVA = configuration.NOVA
GLANCE = f"{configuration.GLANCE}/v2"


class Tenant:
    """Creates objects as admin. Every method returns the dictionary of neutron, nova or glance."""

    def __init__(self) -> None:
        self.session = Session()

    def make(self, kind: str, **attributes: Any) -> dict[str, Any]:
        """Create a neutron object; `kind` is network, subnet, port, router or floatingip."""
        made = self.session.send("POST", f"{NEUTRON}/{kind}s", json={kind: attributes})
        return dict(made[kind])

    def get(self, kind: str, identity: str) -> dict[str, Any]:
        return dict(self.session.get(f"{NEUTRON}/{kind}s/{identity}")[kind])

    def delete(self, kind: str, identity: str) -> None:
        self.session.send("DELETE", f"{NEUTRON}/{kind}s/{identity}")

    def ports(self, **query: str) -> list[dict[str, Any]]:
        return list(self.session.get(f"{NEUTRON}/ports", **query)["ports"])

    def ib_network(self, vlan: int, physnet: str = "ibnet") -> dict[str, Any]:
        provider = {"physical_network": physnet, "network_type": "vlan", "segmentation_id": vlan}
        return self.make("network", name=f"net{vlan}", **{f"provider:{key}": value for key, value in provider.items()})

    def subnet(self, network: dict[str, Any], cidr: str, **attributes: Any) -> dict[str, Any]:
        return self.make("subnet", network_id=network["id"], ip_version=4, cidr=cidr, **attributes)

    def direct_port(self, network: dict[str, Any]) -> dict[str, Any]:
        return self.make("port", network_id=network["id"], **{"binding:vnic_type": "direct"})

    def flavor(self, name: str, alias: str) -> str:
        body = {"name": name, "vcpus": 8, "ram": 8192, "disk": 40}
        flavor = self.session.send("POST", f"{NOVA}/flavors", json={"flavor": body})["flavor"]["id"]
        specs = {"hw:cpu_policy": "dedicated", "pci_passthrough:alias": f"{alias}:1"}
        self.session.send("POST", f"{NOVA}/flavors/{flavor}/os-extra_specs", json={"extra_specs": specs})
        return str(flavor)

    def image(self) -> str:
        body = {"name": "image", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        image = self.session.send("POST", f"{GLANCE}/images", json=body)["id"]
        raw = {"Content-Type": "application/octet-stream"}
        self.session.send("PUT", f"{GLANCE}/images/{image}/file", data=bytes(512), headers=raw)
        return str(image)

    def server(self, name: str, flavor: str, image: str, port: str, host: str) -> dict[str, Any]:
        """Boot a server on a given host and wait until it is ACTIVE or in ERROR."""
        body = {
            "name": name,
            "flavorRef": flavor,
            "imageRef": image,
            "networks": [{"port": port}],
            "availability_zone": f"nova:{host}",
        }
        identity = self.session.send("POST", f"{NOVA}/servers", json={"server": body})["server"]["id"]
        until(lambda: self.show(identity)["status"] != "BUILD", 60)
        return self.show(identity)

    def show(self, server: str) -> dict[str, Any]:
        return dict(self.session.get(f"{NOVA}/servers/{server}")["server"])

    def delete_server(self, server: str) -> None:
        """Delete a server and wait until it is gone."""
        self.session.send("DELETE", f"{NOVA}/servers/{server}")
        assert until(lambda: all(s["id"] != server for s in self.session.get(f"{NOVA}/servers")["servers"]), 60)
