"""The settings of UFM's process, which `lab.ufm.service` writes before it starts the process."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from lab.ufm.partitions import guid


@dataclass(frozen=True)
class HostFacts:
    """The facts about a host of the rack that the fabric does not tell."""

    port_guid: str
    """The cabled HCA port, with or without 0x."""
    address: str = "0.0.0.0"  # noqa: S104
    """IP address in /resources/systems; UFM shows 0.0.0.0 if it does not know the address."""


@dataclass(frozen=True)
class Settings:
    """Addresses and hosts of one UFM."""

    address: str
    """IP address of HTTPS."""
    port: int
    """TCP port of HTTPS."""
    admin_port: int
    """TCP port of the admin API, on 127.0.0.1."""
    fabric_socket: str
    hosts: dict[str, HostFacts]
    """Node name → facts."""

    def dump(self) -> str:
        """Return the settings as JSON text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def load(content: str) -> "Settings":
        """Return the settings from the text of `dump`."""
        fields = json.loads(content)
        hosts = {name: HostFacts(**facts) for name, facts in fields.pop("hosts").items()}
        return Settings(**fields, hosts=hosts)

    def addresses(self) -> dict[str, str]:
        """Return node name → IP address."""
        return {name: facts.address for name, facts in self.hosts.items()}

    def port_guids(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return every name that `binding:host_id` may contain → port GUID.

        Args:
            names: host name → node. Nodes of other racks are ignored.
        """
        return {
            alias: guid(self.hosts[node].port_guid)
            for hostname, node in names.items()
            if node in self.hosts
            for alias in (hostname, hostname.partition(".")[0])
        }
