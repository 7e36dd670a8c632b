"""The calls of Neutron and ib-kubernetes, in the order and form in which their clients send them."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Any

import pytest
import requests

from tests.lab.fabric.rig import GUIDS
from tests.lab.ufm.conftest import Rig, Session

pytestmark = [
    pytest.mark.lab,
    # Processes of the lab keep running after the Python object that started them is deleted.
]

NETWORK = {
    "id": "6f1c0a5e-0000-4000-8000-000000000001",
    "name": "ib_tenant_net",
    "provider:network_type": "vlan",
    "provider:physical_network": "ibnet",
    "provider:segmentation_id": 101,
    "network_qos_policy": None,
}
VM_GUID = "fa163e0000aabbcc"
CLIENT_IDS = {
    "9 bytes": "20:fa:16:3e:00:00:aa:bb:cc",
    "20 bytes": "ff:00:00:00:00:00:02:00:00:02:c9:00:fa:16:3e:00:00:aa:bb:cc",
}


def vm_port(client_id: str | None, **fields: Any) -> dict[str, Any]:
    options = [{"opt_name": "client-id", "opt_value": client_id, "ip_version": 4}] if client_id else []
    return {
        "id": "6f1c0a5e-0000-4000-8000-00000000000a",
        "network_id": NETWORK["id"],
        "mac_address": "fa:16:3e:aa:bb:cc",
        "device_owner": "compute:nova",
        "binding:host_id": "overcloud-computesriov-ib-0.localdomain",
        "binding:vnic_type": "direct",
        "binding:profile": {},
        "extra_dhcp_opts": options,
        **fields,
    }


def service_port(number: int, owner: str, host: str) -> dict[str, Any]:
    return {
        "id": f"6f1c0a5e-0000-4000-8000-0000000000f{number}",
        "network_id": NETWORK["id"],
        "mac_address": f"fa:16:3e:00:00:0{number}",
        "device_owner": owner,
        "binding:host_id": host,
        "extra_dhcp_opts": [],
    }


class LastAnchor(HTMLParser):
    """Find the job in an HTML answer as networking-mlnx 21.0.0 does: the href of the last start tag."""

    href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.href = dict(attrs).get("href") or ""


class Driver:
    """A client like `mlnx_sdn_assist`: raw token, DELETE with a body, and polling of the job in the answer."""

    def __init__(self, rest: Session) -> None:
        self.rest = rest

    def send(self, method: str, kind: str, body: dict[str, Any], identity: str = "") -> requests.Response:
        path = f"//cloudx/{kind}" + (f"/{identity}" if identity else "")
        answer = self.rest.request(method, path, json=body, timeout=10)
        if answer.status_code != 501:
            self.poll(answer)
        return answer

    def poll(self, answer: requests.Response) -> None:
        assert answer.status_code == 202
        parser = LastAnchor()
        parser.feed(answer.text)
        assert re.fullmatch(r"[A-Za-z0-9/]{1,36}", parser.href)
        assert answer.headers["Location"] == f"/ufmRestV3{parser.href}"
        job = self.rest.get("/" + parser.href.strip("/")).json()
        assert job["Status"] == "Completed"

    def boot(self, port: dict[str, Any]) -> None:
        """Send the requests of a VF's boot by nova; the first one updates a port that UFM does not have yet."""
        unbound = {**port, "extra_dhcp_opts": []}
        assert self.send("PUT", "Port", unbound, port["id"]).status_code == 501
        self.send("POST", "Port", port)
        for _ in range(2):
            assert self.send("PUT", "Port", port, port["id"]).status_code == 501

    def delete(self, kind: str, thing: dict[str, Any]) -> None:
        self.send("DELETE", kind, thing, str(thing["id"]))


@pytest.fixture
def driver(ufm: Rig, rest: Session) -> Driver:
    return Driver(ufm.with_token(rest.post("/app/tokens").json()["access_token"]))


def members(rest: Session) -> set[str]:
    answer = rest.get("/resources/pkeys/0x65?guids_data=true").json()
    return {member["guid"] for member in answer.get("guids", [])}


@pytest.mark.parametrize("client_id", CLIENT_IDS.values(), ids=CLIENT_IDS.keys())
def test_a_vm_s_guid_is_a_member_from_boot_to_delete(ufm: Rig, rest: Session, driver: Driver, client_id: str) -> None:
    driver.send("POST", "Network", NETWORK)
    assert rest.get("/resources/pkeys/0x65").json() == {"ip_over_ib": True, "partition": "api_pkey_0x65"}
    port = vm_port(client_id)
    driver.boot(port)
    assert members(rest) == {VM_GUID}
    ufm.fabric.plug("compute-1", 0, VM_GUID)
    assert ufm.pkeys(VM_GUID) == {0xFFFF, 0x8065}
    driver.delete("Port", port)
    assert members(rest) == set()
    assert ufm.pkeys(VM_GUID) == {0xFFFF}
    driver.delete("Network", NETWORK)
    assert rest.get("/resources/pkeys/0x65").json() == {}


def test_a_port_without_client_id_has_the_guid_of_its_mac(rest: Session, driver: Driver) -> None:
    driver.send("POST", "Network", NETWORK)
    driver.send("POST", "Port", vm_port(None))
    assert members(rest) == {VM_GUID}


def test_dhcp_and_router_ports_add_the_guid_of_their_controller(ufm: Rig, rest: Session, driver: Driver) -> None:
    """T6: the tenant's PKey contains the controllers' GUIDs and the VMs'. A GUID stays while a port needs it."""
    controller, other = GUIDS["controller-1"].removeprefix("0x"), GUIDS["controller-2"].removeprefix("0x")
    hosts = ("overcloud-controller-0.localdomain", "overcloud-controller-1.localdomain")
    driver.send("POST", "Network", NETWORK)
    dhcp = [service_port(n, "network:dhcp", host) for n, host in enumerate(hosts)]
    router = service_port(2, "network:router_interface", hosts[0])
    for port in [*dhcp, router]:
        driver.send("POST", "Port", port)
    driver.boot(vm_port(CLIENT_IDS["9 bytes"]))
    assert members(rest) == {controller, other, VM_GUID}
    assert ufm.pkeys("controller-1") == ufm.pkeys("controller-2") == {0xFFFF, 0x8065}

    driver.delete("Port", dhcp[0])
    driver.delete("Port", dhcp[1])
    assert members(rest) == {controller, VM_GUID}, "the router's port still needs the first controller"
    driver.delete("Port", router)
    assert members(rest) == {VM_GUID}
    assert ufm.pkeys("controller-1") == {0xFFFF}


def test_a_port_with_another_host_changes_the_member(rest: Session, driver: Driver) -> None:
    driver.send("POST", "Network", NETWORK)
    port = service_port(0, "network:dhcp", "overcloud-controller-0")
    driver.send("POST", "Port", port)
    driver.send("POST", "Port", {**port, "binding:host_id": "overcloud-controller-1"})
    assert members(rest) == {GUIDS["controller-2"].removeprefix("0x")}


def test_a_host_is_found_by_its_name_in_the_deployment(ufm: Rig, rest: Session, driver: Driver) -> None:
    """The names are independent of the node's position in the rack, and survive a restart of UFM."""
    name = {"prod-controller-7.localdomain": "controller-2"}
    assert ufm.admin("PUT", "/names", json={"prod-controller-7": "controller-9"}).status_code == 400
    assert ufm.admin("PUT", "/names", json=name).status_code == 200
    driver.send("POST", "Network", NETWORK)
    port = service_port(0, "network:dhcp", "overcloud-controller-1.localdomain")
    driver.send("POST", "Port", port)
    assert members(rest) == set()
    assert ufm.admin("POST", "/restart").status_code == 200
    driver.send("POST", "Port", {**port, "binding:host_id": "prod-controller-7"})
    assert members(rest) == {GUIDS["controller-2"].removeprefix("0x")}


def test_repeated_and_unexpected_requests_are_accepted(rest: Session, driver: Driver) -> None:
    port = vm_port(CLIENT_IDS["9 bytes"])
    driver.delete("Port", port)
    driver.delete("Network", NETWORK)
    driver.send("PUT", "Network", NETWORK, str(NETWORK["id"]))
    driver.send("POST", "Port", {**port, "network_id": "flat"})
    driver.send("POST", "Port", service_port(1, "network:dhcp", "host-without-hca"))
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]
    for _ in range(2):
        driver.send("POST", "Network", NETWORK)
        driver.send("POST", "Port", port)
    assert members(rest) == {VM_GUID}
    for _ in range(2):
        driver.delete("Port", port)
    assert members(rest) == set()


def test_delete_accepts_the_id_in_the_body(rest: Session, driver: Driver) -> None:
    port = vm_port(CLIENT_IDS["20 bytes"], network={"provider:segmentation_id": 101})
    driver.send("POST", "Port", port)
    assert members(rest) == {VM_GUID}, "a port may contain its network"
    driver.send("DELETE", "Port", port)
    assert rest.get("/resources/pkeys/0x65").json() == {}
    driver.send("POST", "Network", NETWORK)
    driver.send("DELETE", "Network", NETWORK)
    assert rest.get("/resources/pkeys/0x65").json() == {}


def test_invalid_networks_and_ports_are_refused(rest: Session) -> None:
    for body in ({}, {"id": "n"}, {**NETWORK, "provider:segmentation_id": 70000}, {**NETWORK, "id": None}):
        assert rest.post("/cloudx/Network", json=body).status_code == 400
    client_id = CLIENT_IDS["9 bytes"]
    for port in (
        vm_port("20:fa:16"),
        vm_port(None, mac_address=None),
        vm_port(client_id, id=None),
        vm_port(client_id, network={"provider:segmentation_id": 70000}),
    ):
        assert rest.post("/cloudx/Port", json=port).status_code == 400
    assert rest.delete("/cloudx/Port", json={}).status_code == 400
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]


def test_additive_members_and_neutron_s_members_are_kept_apart(rest: Session, driver: Driver) -> None:
    """The program's additive PKey and Neutron do not remove each other's members."""
    ours = GUIDS["compute-1"].removeprefix("0x")
    assert rest.post("/resources/pkeys", json={"pkey": "0x65", "guids": [ours]}).status_code == 200
    driver.send("POST", "Network", NETWORK)
    port = vm_port(CLIENT_IDS["9 bytes"])
    driver.boot(port)
    assert members(rest) == {ours, VM_GUID}
    driver.delete("Port", port)
    driver.delete("Network", NETWORK)
    assert members(rest) == {ours}

    driver.send("POST", "Network", NETWORK)
    driver.boot(port)
    rest.delete(f"/resources/pkeys/0x65/guids/{ours}")
    assert members(rest) == {VM_GUID}
    rest.delete(f"/resources/pkeys/0x65/guids/{VM_GUID}")
    driver.delete("Port", port)
    assert rest.get("/resources/pkeys/0x65").json() == {}, "there is one table: a removed GUID is gone for both writers"


def test_jobs_are_listed_filtered_and_deleted(rest: Session, driver: Driver) -> None:
    driver.send("POST", "Network", NETWORK)
    driver.delete("Network", NETWORK)
    everything = rest.get("/jobs").json()
    assert [job["Operation"] for job in everything] == ["Create Network", "Delete Network"]
    job = everything[0]
    assert (job["ID"], job["Progress"], job["CreatedBy"]) == ("1", 100, "admin")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", job["Created"])
    assert rest.get("/jobs/1").json() == job
    assert rest.get("/jobs/1,2").json() == everything
    assert rest.get("/jobs/99").json() == []
    assert rest.get("/jobs?operation=Delete Network").json() == everything[1:]
    assert rest.get("/jobs?status=Failed").json() == []
    assert len(rest.get(f"/jobs?object_ids={NETWORK['id']}").json()) == 2
    assert rest.delete("/jobs/1").status_code == 200
    assert rest.get("/jobs/1").json() == []


class IbKubernetes:
    """The client of Mellanox/ib-kubernetes (pkg/sm/plugins/ufm/ufm.go).

    It sends one header with every request, also with GET. Every status other than 200 is an error.
    """

    HEADER = {"Content-Type": "application/json; charset=utf-8"}

    def __init__(self, rest: Session) -> None:
        self.rest = rest

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        answer = self.rest.request(method, path, json=body, headers=self.HEADER)
        assert answer.request.headers["Content-Type"] == self.HEADER["Content-Type"]
        assert answer.status_code == 200
        return answer

    def validate(self) -> requests.Response:
        return self.ask("GET", "/app/ufm_version")

    def add_guids_to_pkey(self, pkey: int, guids: list[str]) -> None:
        body = {"pkey": f"0x{pkey:04X}", "index0": True, "ip_over_ib": True, "membership": "full", "guids": bare(guids)}
        self.ask("POST", "/resources/pkeys", body)

    def remove_guids_from_pkey(self, pkey: int, guids: list[str]) -> None:
        self.ask("POST", "/actions/remove_guids_from_pkey", {"pkey": f"0x{pkey:04X}", "guids": bare(guids)})

    def list_guids_in_use(self) -> dict[str, str]:
        listing = self.ask("GET", "/resources/pkeys/?guids_data=true").json()
        return {
            ":".join(re.findall("..", member["guid"])): key
            for key, value in listing.items()
            for member in value.get("guids", [])
        }


def bare(guids: list[str]) -> list[str]:
    return [guid.replace(":", "") for guid in guids]


def test_ib_kubernetes_adds_lists_and_removes_guids(ufm: Rig, rest: Session) -> None:
    """A pod with two VFs is added, then another pod, and both are removed."""
    daemon = IbKubernetes(rest)
    daemon.validate()
    assert daemon.list_guids_in_use() == {}
    ours, theirs = ["02:00:00:00:00:00:00:0a", "02:00:00:00:00:00:00:0b"], ["02:00:00:00:00:00:00:0c"]
    for _ in range(2):  # ib-kubernetes repeats a request after an error.
        daemon.add_guids_to_pkey(0x2FB, ours)
    daemon.add_guids_to_pkey(0x2FB, theirs)
    assert daemon.list_guids_in_use() == dict.fromkeys(ours + theirs, "0x2fb")
    ufm.fabric.plug("compute-1", 0, bare(ours)[0])
    ufm.programmed()
    table = ufm.diagnostics.run("smpquery", "-G", "pkeys", f"0x{bare(ours)[0]}", "1")
    assert table.split()[:2] == ["0:", "0x82fb"], "the pod reads index 0"
    daemon.remove_guids_from_pkey(0x2FB, ours)
    daemon.remove_guids_from_pkey(0x2FB, ours)
    assert daemon.list_guids_in_use() == dict.fromkeys(theirs, "0x2fb")
    assert ufm.pkeys(f"0x{bare(ours)[0]}") == {0xFFFF}
    daemon.remove_guids_from_pkey(0x2FB, theirs)
    assert rest.get("/resources/pkeys").json() == ["0x7fff"]


def test_together_s_ib_kubernetes_reads_pkeys_and_last_updated(rest: Session) -> None:
    """togethercomputer/ib-kubernetes first reads the PKey and the time of the last change, by UFM's clock."""
    daemon = IbKubernetes(rest)
    assert daemon.ask("GET", "/resources/pkeys/0x02FB?guids_data=true").json() == {}
    assert daemon.ask("GET", "/resources/pkeys/last_updated").json() == {"last_updated": None}
    now = parsedate_to_datetime(daemon.validate().headers["Date"])
    daemon.add_guids_to_pkey(0x2FB, ["02:00:00:00:00:00:00:0a"])
    changed = daemon.ask("GET", "/resources/pkeys/last_updated").json()["last_updated"]
    when = datetime.strptime(changed, "%a %b %d %H:%M:%S UTC %Y").replace(tzinfo=UTC)
    assert timedelta(0) <= when - now < timedelta(minutes=1)
