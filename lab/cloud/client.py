"""Queries the cloud's public APIs as admin. `Identity` creates keystone's objects for the installation."""

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
    """The host to which it is bound; empty if it is not bound."""
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
    """VLAN ID, or 0."""
    dhcp_subnets: tuple[str, ...]
    """CIDRs."""


@dataclass(frozen=True)
class JournalRow:
    """A row of networking-mlnx's journal: an operation that is sent to UFM."""

    object_type: str
    object_uuid: str
    operation: str
    state: str
    """pending, processing, monitoring, completed or failed."""


class ApiError(LabError):
    """An API answered with a status of 400 or above."""

    def __init__(self, verb: str, url: str, answer: requests.Response) -> None:
        super().__init__(f"{verb} {url}: {answer.status_code} {answer.text[:300]}")
        self.url, self.status = url, answer.status_code
        self.reason = _reason(answer)
        """The message of the service."""


def _reason(answer: requests.Response) -> str:
    """Return the message: neutron and nova wrap it in an object with one key."""
    try:
        (inner,) = answer.json().values()
        return str(inner["message"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:300]


class Session:
    """Sends requests with a user's token, which is created at the first request. The default user is admin."""

    def __init__(self, user: str = "admin", password: str = "", project: str = "admin") -> None:
        self._user, self._password, self._project = user, password, project
        self._token = ""

    def get(self, url: str, **query: str) -> dict[str, Any]:
        """Return the JSON answer to a GET."""
        return self.send("GET", url, params=query)

    def send(self, verb: str, url: str, **options: Any) -> dict[str, Any]:
        """Send a request and return the JSON answer.

        Raises:
            ApiError: the status of the answer is 400 or above.
            LabError: the API does not answer.
        """
        answer = self._request(verb, url, **options)
        if answer.status_code == requests.codes.unauthorized:  # the token is older than the last reset of the cloud
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
    """Return a keystone token for a user of the default domain, scoped to a project.

    Raises:
        LabError: keystone refuses.
        requests.RequestException: keystone does not answer.
    """
    domain = {"id": "default"}
    methods = {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}}
    body = {"auth": {"identity": methods, "scope": {"project": {"name": project, "domain": domain}}}}
    answer = requests.post(f"{configuration.KEYSTONE}/auth/tokens", json=body, timeout=TIMEOUT)
    if not answer.ok:
        raise LabError(f"keystone refuses a token to {user}: {answer.status_code} {answer.text[:300]}")
    return answer.headers["X-Subject-Token"]


class CloudClient:
    """Read-only queries."""

    def __init__(self) -> None:
        self._session = Session()

    def servers(self, host: str = "") -> list[Server]:
        """Return all servers of all projects, or those on one compute host."""
        query = {"all_tenants": "1", **({"host": host} if host else {})}
        found = self._session.get(f"{configuration.NOVA}/servers/detail", **query)["servers"]
        ports = self._ports() if found else []
        return [_server(server, ports) for server in found]

    def ports(self) -> list[Port]:
        """Return all ports."""
        return [_port(port) for port in self._ports()]

    def _ports(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self._session.get(f"{configuration.NEUTRON}/v2.0/ports")["ports"])

    def networks(self) -> list[Network]:
        """Return all networks."""
        subnets = self._session.get(f"{configuration.NEUTRON}/v2.0/subnets", enable_dhcp="true")["subnets"]
        found = self._session.get(f"{configuration.NEUTRON}/v2.0/networks")["networks"]
        return [_network(network, subnets) for network in found]

    def compute_services(self) -> list[dict[str, Any]]:
        """Return nova's services as its API shows them."""
        found = self._session.get(f"{configuration.NOVA}/os-services")["services"]
        return cast(list[dict[str, Any]], found)

    def hypervisors(self) -> list[str]:
        """Return the host names of the computes that nova has mapped to its cell."""
        found = self._session.get(f"{configuration.NOVA}/os-hypervisors")["hypervisors"]
        return [str(h["hypervisor_hostname"]) for h in found]


def journal() -> list[JournalRow]:
    """Return the rows of networking-mlnx's journal, oldest first, from the database: no API shows them.

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
    """Creates the objects of an empty keystone."""

    def __init__(self) -> None:
        self._session = Session()

    def find_or_create(self, kind: str, **attributes: str) -> str:
        """Return the ID of the `kind` (project, user, role or service) with this name; create it if necessary."""
        found = self._session.get(f"{configuration.KEYSTONE}/{kind}s", name=attributes["name"])[f"{kind}s"]
        if found:
            return str(found[0]["id"])
        made = self._session.send("POST", f"{configuration.KEYSTONE}/{kind}s", json={kind: attributes})
        return str(made[kind]["id"])

    def grant(self, project: str, user: str, role: str) -> None:
        """Give the user a role in the project; all by ID."""
        self._session.send("PUT", f"{configuration.KEYSTONE}/projects/{project}/users/{user}/roles/{role}")

    def create_endpoint(self, service: str, interface: str, region: str, url: str) -> None:
        """Create one endpoint of a service."""
        endpoint = {"service_id": service, "interface": interface, "region": region, "url": url}
        self._session.send("POST", f"{configuration.KEYSTONE}/endpoints", json={"endpoint": endpoint})
