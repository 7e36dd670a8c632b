"""The lab's machines: the stack's nodes and its spares."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.addresses import PROJECT
from lab.assembly import services, topology
from lab.fabric.topology import net_file
from lab.inventory import SPARES, inventory_plan
from lab.process import LabError

DEV = PROJECT / "Pulumi.dev.yaml"


def stack(folder: Path, **changes: Any) -> Path:
    """Return a copy of the dev stack's file. `changes`: key of the configuration → function that changes its value."""
    document = yaml.safe_load(DEV.read_text())
    for key, change in changes.items():
        change(document["config"][key.replace("_", ":")], document["config"])
    file = folder / "Pulumi.test.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def join(spares: list[Any], config: dict[str, Any]) -> None:
    config["rack:site"]["nodes"].append(spares.pop())


def test_the_dev_stack_has_a_spare_compute(tmp_path: Path) -> None:
    plan = inventory_plan(DEV)
    assert [h.name for h in plan.hosts][-2:] == ["compute-2", "compute-3"]
    spare = plan.host("compute-3")
    assert (str(spare.address), spare.guid) == ("127.0.24.23", "b8599f0300b00061")


def test_a_spare_that_is_added_as_a_node_is_the_same_machine(tmp_path: Path) -> None:
    """Therefore the running lab matches the changed file."""
    joined = stack(tmp_path, lab_spares=join)
    assert SPARES in yaml.safe_load(joined.read_text())["config"]
    assert inventory_plan(joined).site == inventory_plan(DEV).site
    assert net_file(topology(inventory_plan(joined))) == net_file(topology(inventory_plan(DEV)))
    assert "compute-3-vf7" in net_file(topology(inventory_plan(joined)))


def test_a_spare_that_is_in_both_lists_is_one_machine(tmp_path: Path) -> None:
    both = stack(tmp_path, lab_spares=lambda spares, config: config["rack:site"]["nodes"].extend(spares))
    assert inventory_plan(both).site == inventory_plan(DEV).site


def test_only_the_nodes_exist_without_spares(tmp_path: Path) -> None:
    assert len(inventory_plan(stack(tmp_path, lab_spares=lambda spares, config: config.pop(SPARES))).hosts) == 5


def test_ports_that_the_configuration_omits_exist_in_the_lab(tmp_path: Path) -> None:
    def leave(site: dict[str, Any], config: dict[str, Any]) -> None:
        del site["fabric"]["interface"]
        for node in site["nodes"]:
            del node["guid"]

    plan = inventory_plan(stack(tmp_path, rack_site=leave))
    assert plan.site.fabric.interface == "ib2"
    assert plan.host("controller-1").guid == "b8599f0300000110"
    assert len({link.guid for link in plan.links}) == 7
    assert len(services(tmp_path / "Pulumi.test.yaml")) == 4


def test_an_invalid_spare_is_refused_with_the_path_of_its_keys(tmp_path: Path) -> None:
    def spoil(spares: list[Any], config: dict[str, Any]) -> None:
        spares[0] |= {"mac": "nonsense", "gid": "x"}

    with pytest.raises(LabError, match=r"(?s)lab:spares 0: mac: found 'nonsense'.*lab:spares 0: gid: unknown key"):
        inventory_plan(stack(tmp_path, lab_spares=spoil))
