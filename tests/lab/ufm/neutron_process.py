"""Run networking-mlnx' driver, journal and client as neutron's server does, with neutron's database in SQLite.

The program runs in the cloud's virtual environment, which has the unchanged packages from PyPI.

    python neutron_process.py CONFIGURATION

It reads lines of JSON, [hook of the mechanism driver, Neutron's dictionary], calls the hook as ML2 does, and answers
each line with a line. It imports nothing of this project.
"""

import json
import sys
from types import SimpleNamespace
from typing import Any

from networking_mlnx.plugins.ml2.drivers.sdn.sdn_mech_driver import (  # type: ignore[import-not-found]
    SDNMechanismDriver,
)
from neutron.db.migration.models import head  # type: ignore[import-not-found]
from neutron_lib.context import get_admin_context  # type: ignore[import-not-found]
from neutron_lib.db import api  # type: ignore[import-not-found]
from oslo_config import cfg  # type: ignore[import-not-found]
from sqlalchemy import event  # type: ignore[import-not-found, unused-ignore]


def ml2_context(current: dict[str, Any]) -> SimpleNamespace:
    """Return one object with the attributes that the driver reads of a network or port context."""
    segments = [{"id": "s", "network_type": "vlan", "physical_network": "ibnet", "segmentation_id": 101}]
    return SimpleNamespace(
        _plugin_context=get_admin_context(),
        current=current,
        network_segments=segments,
        segments_to_bind=segments,
        network=SimpleNamespace(network_segments=segments),
    )


def one_after_the_other(engine: Any) -> None:
    """Begin each transaction with BEGIN IMMEDIATE, so that it waits for SQLite's one writer.

    With oslo.db's plain BEGIN, a transaction that reads first and then writes fails while another one writes.
    """

    @event.listens_for(engine, "before_cursor_execute", retval=True)  # type: ignore[untyped-decorator, unused-ignore]
    def immediate(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        return ("BEGIN IMMEDIATE" if statement == "BEGIN" else statement), parameters


def main() -> None:
    cfg.CONF(["--config-file", sys.argv[1]], project="neutron")
    engine = api.get_writer_session().get_bind()
    one_after_the_other(engine)
    head.get_metadata().create_all(engine)
    driver = SDNMechanismDriver()
    driver.initialize()
    print("ready", flush=True)
    for line in sys.stdin:
        hook, current = json.loads(line)
        context = ml2_context(current)
        getattr(driver, hook)(context)
        driver.create_port_postcommit(context)  # All postcommit hooks are this function, which wakes the journal.
        print("done", flush=True)


if __name__ == "__main__":
    main()
