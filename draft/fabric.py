"""Switches and port GUIDs from a running UFM."""

import hashlib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.ufm import Client
from rack.site import names


@dataclass(frozen=True)
class Port:
    """Port of a host's adapter."""

    guid: str
    description: str
    """Node description, as the host's driver sets it: `compute-1 mlx5_0`."""
    active: bool

    @property
    def host(self) -> str:
        """Return the host's short name in the description, in lower case."""
        return self.description.split()[0].partition(".")[0].lower() if self.description.split() else ""


@dataclass(frozen=True)
class Fabric:
    """What UFM sees on the fabric. Empty: UFM was not asked."""

    ports: Sequence[Port] = ()
    switches: Mapping[str, str] = field(default_factory=dict)
    """Switch GUID by name."""

    def of_host(self, *hosts: str) -> list[Port]:
        """Return the ports of the host that has one of these names; the active ones, if any is active."""
        found = [port for port in self.ports if port.host in {host.lower() for host in hosts}]
        return [port for port in found if port.active] or found


def read(client: Client) -> Fabric:
    """Return what UFM sees.

    Raises:
        UfmError: UFM does not answer, or refuses the login.
    """
    ports = [
        Port(guid, _description(one), one.get("logical_state") == "Active")
        for one in client.ports("Computer")
        if (guid := _guid(one.get("guid")))
    ]
    switches = {
        str(one.get("system_name")): guid
        for one in client.systems()
        if one.get("type") == "switch" and (guid := _guid(one.get("system_guid")))
    }
    return Fabric(ports, switches)


def _guid(value: object) -> str | None:
    """Return a GUID in UFM's spelling; None for what is none, such as a port that UFM has not identified."""
    try:
        return names.guid(value)
    except ValueError:
        return None


def _description(port: Mapping[str, Any]) -> str:
    return str(port.get("node_description") or port.get("system_name") or "")


def fingerprint(address: str, port: int) -> str:
    """Return the SHA-256 fingerprint of the certificate that UFM presents, which nothing has verified.

    Raises:
        OSError: there is no TLS server.
    """
    presented = ssl.get_server_certificate((address, port), timeout=10)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(presented)).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def client(ufm: Mapping[str, Any], password: str, pinned: str | None) -> Client:
    """Return a client of UFM with the trust of the configuration, or with a pinned certificate."""
    ca_file = ufm.get("caFile")
    return Client(
        str(ufm["address"]),
        str(ufm.get("user", "admin")),
        password,
        port=int(ufm.get("port", 443)),
        ca_file=str(Path(ca_file).expanduser()) if ca_file and not pinned else None,
        server_name=None if pinned else ufm.get("serverName"),
        fingerprint=pinned or ufm.get("fingerprint"),
        insecure=bool(ufm.get("insecure")),
        timeout=(5, 15),
        pauses=(),
    )
