"""What stands in the lab's rack: the stack's nodes, and spares beside them."""

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
    """The dev stack; `changes`: key of the configuration → what becomes of its value."""
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


def test_a_spare_that_joins_is_the_same_machine(tmp_path: Path) -> None:
    """So the running lab's fabric and UFM are those of the file as it is then."""
    joined = stack(tmp_path, lab_spares=join)
    assert SPARES in yaml.safe_load(joined.read_text())["config"]
    assert inventory_plan(joined).site == inventory_plan(DEV).site
    assert net_file(topology(inventory_plan(joined))) == net_file(topology(inventory_plan(DEV)))
    assert "compute-3-vf7" in net_file(topology(inventory_plan(joined)))


def test_a_spare_that_is_in_both_lists_is_one_machine(tmp_path: Path) -> None:
    both = stack(tmp_path, lab_spares=lambda spares, config: config["rack:site"]["nodes"].extend(spares))
    assert inventory_plan(both).site == inventory_plan(DEV).site


def test_without_spares_the_nodes_are_all(tmp_path: Path) -> None:
    assert len(inventory_plan(stack(tmp_path, lab_spares=lambda spares, config: config.pop(SPARES))).hosts) == 5


def test_what_is_left_to_introspection_is_there_to_be_found(tmp_path: Path) -> None:
    def leave(site: dict[str, Any], config: dict[str, Any]) -> None:
        del site["fabric"]["interface"]
        for node in site["nodes"]:
            del node["guid"]

    plan = inventory_plan(stack(tmp_path, rack_site=leave))
    assert plan.site.fabric.interface == "ib2"
    assert plan.host("controller-1").guid == "b8599f0300000110"
    assert len({link.guid for link in plan.links}) == 7
    assert len(services(tmp_path / "Pulumi.test.yaml")) == 4


def test_a_spare_that_is_no_node_is_refused_in_the_operators_words(tmp_path: Path) -> None:
    def spoil(spares: list[Any], config: dict[str, Any]) -> None:
        spares[0] |= {"mac": "nonsense", "gid": "x"}

    with pytest.raises(LabError, match=r"(?s)lab:spares 0: mac: found 'nonsense'.*lab:spares 0: gid: unknown key"):
        inventory_plan(stack(tmp_path, lab_spares=spoil))
