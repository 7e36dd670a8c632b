"""The backport of MlnxSDNToken to the released templates."""

from pathlib import Path

from rack.wallaby.branch import SDN, backport

RELEASED = """\
parameters:
  MlnxSDNUrl:
    type: string
resources:
            neutron::plugins::ml2::mellanox::mlnx_sdn_assist::sdn_url: {get_param: MlnxSDNUrl}
"""


def templates(folder: Path) -> Path:
    (folder / SDN).parent.mkdir(parents=True)
    (folder / SDN).write_text(RELEASED)
    return folder


def test_parameter_and_setting_are_added(tmp_path: Path) -> None:
    backport(templates(tmp_path))
    text = (tmp_path / SDN).read_text()
    assert "  MlnxSDNToken:\n    type: string\n" in text
    assert text.index("MlnxSDNToken:") < text.index("MlnxSDNUrl:")
    assert "mlnx_sdn_assist::sdn_token: {get_param: MlnxSDNToken}\n" in text
    assert text.count("MlnxSDNUrl") == 2


def test_a_second_backport_changes_nothing(tmp_path: Path) -> None:
    backport(templates(tmp_path))
    once = (tmp_path / SDN).read_text()
    backport(tmp_path)
    assert (tmp_path / SDN).read_text() == once
