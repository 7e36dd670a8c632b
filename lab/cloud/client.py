"""Asks the cloud over its public APIs, as admin. The emulated hosts use `Cloud`; `Identity` serves the installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import requests

from lab.cloud import configuration, processes
from lab.cloud.folders import passwords
from lab.process import LabError

TIMEOUT = 30
"""Seconds a request may take."""


@dataclass(frozen=True)
class Port:
    """A neutron port."""

    id: str
    network_id: str
    mac: str
    fixed_ips: tuple[str, ...]
    vnic_type: str
    status: str
    host: str
    """Where it is bound; empty where it is not."""
    owner: str
    """device_owner, e.g. "compute:nova", "network:dhcp"."""


@dataclass(frozen=True)
class Server:
    """A nova server."""

    id: str
    name: str
    status: str
    host: str
    ports: tuple[Port, ...]


@dataclass(frozen=True)
class Network:
    """A neutron network with its subnets that have DHCP."""

    id: str
    name: str
    physical_network: str
    segment: int
    """VLAN ID; 0 where there is none."""
    dhcp_subnets: tuple[str, ...]
    """CIDRs."""


@dataclass(frozen=True)
class JournalRow:
    """What networking-mlnx has sent, or still has to send, to UFM."""

    object_type: str
    object_uuid: str
    operation: str
    state: str
    """pending, processing, monitoring, completed or failed."""


class ApiError(LabError):
    """An API's answer of 400 and above."""

    def __init__(self, verb: str, url: str, answer: requests.Response) -> None:
        super().__init__(f"{verb} {url}: {answer.status_code} {answer.text[:300]}")
        self.url, self.status = url, answer.status_code
        self.reason = _reason(answer)
        """The service's own words."""


def _reason(answer: requests.Response) -> str:
    """Neutron and nova both wrap them in an object of one key."""
    try:
        (inner,) = answer.json().values()
        return str(inner["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:300]


class Session:
    """A user's token, got at the first request; the user admin by default."""

    def __init__(self, user: str = "admin", password: str = "", project: str = "admin") -> None:
        self._user, self._password, self._project = user, password, project
        self._token = ""

    def get(self, url: str, **query: str) -> dict[str, Any]:
        """The JSON answer to a GET."""
        return self.send("GET", url, params=query)

    def send(self, verb: str, url: str, **options: Any) -> dict[str, Any]:
        """One request.

        Raises:
            ApiError: an answer of 400 and above. LabError: nobody answers.
        """
        answer = self._request(verb, url, **options)
        if answer.status_code == requests.codes.unauthorized:  # an older token than the last reset of the cloud
            self._token = ""
            answer = self._request(verb, url, **options)
        if not answer.ok:
            raise ApiError(verb, url, answer)
        return cast(dict[str, Any], answer.json()) if answer.content else {}

    def _request(
        self, verb: str, url: str, headers: Mapping[str, str] | None = None, **options: Any
    ) -> requests.Response:
        try:
            self._token = self._token or self._authenticate()
            own = {"X-Auth-Token": self._token, "OpenStack-API-Version": "compute 2.79"}
            return requests.request(verb, url, headers={**own, **(headers or {})}, timeout=TIMEOUT, **options)
        except requests.RequestException as error:
            raise LabError(f"{verb} {url}: {error}") from error

    def _authenticate(self) -> str:
        return token(self._user, self._password or passwords().admin, self._project)


def token(user: str, password: str, project: str) -> str:
    """A keystone token for a user of the default domain, scoped to a project.

    Raises:
        LabError: keystone refuses. requests.RequestException: it does not answer.
    """
    domain = {"id": "default"}
    methods = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    body = {"auth": {"identity": methods, "scope": {"project": {"name": project, "domain": domain}}}}
    answer = requests.post(f"{configuration.KEYSTONE}/auth/tokens", json=body, timeout=TIMEOUT)
    if not answer.ok:
        raise LabError(f"keystone refuses a token to {user}: {answer.status_code} {answer.text[:300]}")
    return answer.headers["X-Subject-Token"]


class CloudClient:
    """Read-only."""

    def __init__(self) -> None:
        self._session = Session()

    def servers(self, host: str = "") -> list[Server]:
        """All servers of all projects, or those on one compute host."""
        query = {"all_tenants": "1", **({"host": host} if host else {})}
        found = self._session.get(f"{configuration.NOVA}/servers/detail", **query)["servers"]
        ports = self._ports() if found else []
        return [_server(server, ports) for server in found]

    def ports(self) -> list[Port]:
        """All ports."""
        return [_port(port) for port in self._ports()]

    def _ports(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self._session.get(f"{configuration.NEUTRON}/v2.0/ports")["ports"])

    def networks(self) -> list[Network]:
        """All networks."""
        subnets = self._session.get(f"{configuration.NEUTRON}/v2.0/subnets", enable_dhcp="true")["subnets"]
        found = self._session.get(f"{configuration.NEUTRON}/v2.0/networks")["networks"]
        return [_network(network, subnets) for network in found]

    def compute_services(self) -> list[dict[str, Any]]:
        """nova's services as its API shows them."""
        found = self._session.get(f"{configuration.NOVA}/os-services")["services"]
        return cast(list[dict[str, Any]], found)

    def hypervisors(self) -> list[str]:
        """Host names of the computes that nova has mapped to its cell."""
        found = self._session.get(f"{configuration.NOVA}/os-hypervisors")["hypervisors"]
        return [str(h["hypervisor_hostname"]) for h in found]


def journal() -> list[JournalRow]:
    """The rows of networking-mlnx's journal, oldest first; from the database, since no API shows them.

    Raises:
        LabError: the database does not run.
    """
    query = "SELECT object_type, object_uuid, operation, state FROM sdn_journal ORDER BY created_at"
    return [JournalRow(*row) for row in processes.sql(query, "neutron")]


def _server(server: dict[str, Any], ports: list[dict[str, Any]]) -> Server:
    return Server(
        id=server["id"],
        name=server["name"],
        status=server["status"],
        host=server.get("OS-EXT-SRV-ATTR:host") or "",
        ports=tuple(_port(port) for port in ports if port["device_id"] == server["id"]),
    )


def _port(port: dict[str, Any]) -> Port:
    return Port(
        id=port["id"],
        network_id=port["network_id"],
        mac=port["mac_address"],
        fixed_ips=tuple(ip["ip_address"] for ip in port["fixed_ips"]),
        vnic_type=port["binding:vnic_type"],
        status=port["status"],
        host=port["binding:host_id"] or "",
        owner=port["device_owner"],
    )


def _network(network: dict[str, Any], subnets: list[dict[str, Any]]) -> Network:
    return Network(
        id=network["id"],
        name=network["name"],
        physical_network=network["provider:physical_network"] or "",
        segment=network["provider:segmentation_id"] or 0,
        dhcp_subnets=tuple(s["cidr"] for s in subnets if s["network_id"] == network["id"]),
    )


class Identity:
    """Keystone's own objects; what the installation puts into an empty keystone."""

    def __init__(self) -> None:
        self._session = Session()

    def find_or_create(self, kind: str, **attributes: str) -> str:
        """The id of the one with this name, made where there is none. `kind`: project, user, role or service."""
        found = self._session.get(f"{configuration.KEYSTONE}/{kind}s", name=attributes["name"])[f"{kind}s"]
        if found:
            return str(found[0]["id"])
        made = self._session.send("POST", f"{configuration.KEYSTONE}/{kind}s", json={kind: attributes})
        return str(made[kind]["id"])

    def grant(self, project: str, user: str, role: str) -> None:
        """Gives the user a role on the project; all by id."""
        self._session.send("PUT", f"{configuration.KEYSTONE}/projects/{project}/users/{user}/roles/{role}")

    def create_endpoint(self, service: str, interface: str, region: str, url: str) -> None:
        """One endpoint of a service."""
        endpoint = {"service_id": service, "interface": interface, "region": region, "url": url}
        self._session.send("POST", f"{configuration.KEYSTONE}/endpoints", json={"endpoint": endpoint})
