"""Neutron's table of agents. No agent runs; the table's rows are written here."""

import json
import uuid
from collections.abc import Iterable

from lab.cloud import processes
from lab.cloud.translation import Agent, Overcloud

HEARTBEAT = "2037-01-01 00:00:00"
"""A heartbeat in the future: the agent is alive although it does not run."""
SILENCE = "UPDATE agents SET heartbeat_timestamp = UTC_TIMESTAMP() - INTERVAL 1 HOUR WHERE"


def seed(overcloud: Overcloud) -> None:
    """Write the rows of the overcloud's agents.

    Other agents of the same hosts become silent, because neutron never deletes an agent itself.

    Raises:
        LabError: the database does not run.
    """
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{agent.binary}.{agent.host}")) for agent in overcloud.agents]
    hosts = (*overcloud.controllers, *(compute.host for compute in overcloud.computes))
    rows = [_row(i, agent) for i, agent in zip(ids, overcloud.agents, strict=True)]
    silent = f"{SILENCE} host IN ({_literals(hosts)}) AND id NOT IN ({_literals(ids)});"
    processes.sql("\n".join([silent, *rows]), "neutron")


def silence(host: str) -> None:
    """Let the agents of a host become silent.

    Raises:
        LabError: the database does not run.
    """
    processes.sql(f"{SILENCE} host = {_literals([host])};", "neutron")


def _literals(values: Iterable[str]) -> str:
    return ",".join(f"x'{value.encode().hex()}'" for value in values) or "''"


def _row(identity: str, agent: Agent) -> str:
    zone = "nova" if agent.topic != "N/A" else None  # Only DHCP and L3 agents have an availability zone.
    values: dict[str, str | None] = {
        "id": identity,
        "agent_type": agent.type,
        "binary": agent.binary,
        "topic": agent.topic,
        "host": agent.host,
        "heartbeat_timestamp": HEARTBEAT,
        "configurations": json.dumps(agent.configurations),
        "resource_versions": "",
        "availability_zone": zone,
    }
    columns = ",".join(f"`{name}`" for name in values)
    literals = ",".join("NULL" if v is None else f"x'{v.encode().hex()}'" if v else "''" for v in values.values())
    return (
        f"INSERT INTO agents ({columns},admin_state_up,`load`,created_at,started_at) "  # noqa: S608
        f"VALUES ({literals},1,0,NOW(),NOW()) ON DUPLICATE KEY UPDATE configurations=VALUES(configurations),"
        "heartbeat_timestamp=VALUES(heartbeat_timestamp);"
    )
