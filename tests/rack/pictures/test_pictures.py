"""The pictures: their structure, equal text for equal input, and that nothing overlaps at 800 servers."""

import io
import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rack.__main__ import main
from rack.pictures import components, elevation, fabric, heat, networks
from rack.pictures.command import KINDS, DrawError, draw
from rack.pictures.svg import Picture, fitted, width_of
from rack.plan import Plan
from rack.site.load import load_stack_file
from tests.rack.sites import ROOT, unchecked

STATE = ROOT / "tests/engine/states/0.1.0/state.json"
PLAN = Plan(load_stack_file(ROOT / "Pulumi.reference.yaml"), "reference")
SVG = "{http://www.w3.org/2000/svg}"


def large(count: int = 800) -> Plan:
    """Return a plan with so many servers, on one switch: the design rules would refuse it."""
    roles = ["Controller"] * 3 + ["ComputeSriovIB"] * (count - 3)
    nodes = [
        {
            "name": f"{'controller' if role == 'Controller' else 'compute'}-{number}",
            "role": role,
            "address": f"10.{20 + number // 250}.1.{1 + number % 250}",
            "guid": f"b8599f04{number:08x}",
            "mac": f"52:54:00:02:{number // 256:02x}:{number % 256:02x}",
            "ipmi": {"address": f"10.{40 + number // 250}.1.{1 + number % 250}"},
        }
        for number, role in enumerate(roles, start=1)
    ]
    return Plan(unchecked({"nodes": nodes}), "large")


LARGE = large()


def parsed(picture: Picture) -> ET.Element:
    return ET.fromstring(picture.svg())


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [one for one in root.iter() if name in (one.get("class") or "").split()]


def box(shape: ET.Element) -> tuple[float, float, float, float]:
    x, y, width, height = (float(shape.get(key, 0)) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def title(shape: ET.Element) -> str:
    return shape.findtext(f"{SVG}title") or ""


def pictures(plan: Plan) -> dict[str, Picture]:
    return {"fabric": fabric.draw(plan), "networks": networks.draw(plan), "elevation": elevation.draw(plan)}


@pytest.mark.parametrize("kind", ["fabric", "networks", "elevation"])
@pytest.mark.parametrize("plan", [PLAN, LARGE], ids=["guide", "800 servers"])
def test_equal_input_gives_equal_text(kind: str, plan: Plan) -> None:
    assert pictures(plan)[kind].svg() == pictures(plan)[kind].svg()


@pytest.mark.parametrize("kind", ["fabric", "networks", "elevation"])
@pytest.mark.parametrize("plan", [PLAN, LARGE], ids=["guide", "800 servers"])
def test_everything_is_inside_and_texts_are_large_enough(kind: str, plan: Plan) -> None:
    root = parsed(pictures(plan)[kind])
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for shape in root.iter(f"{SVG}rect"):
        left, top, right, bottom = box(shape)
        assert left >= 0 <= top
        assert right <= width
        assert bottom <= height
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("font-size", 0)) >= 9
        end = {"start": 1.0, "middle": 0.5, "end": 0.0}[text.get("text-anchor", "start")]
        assert float(text.get("x", 0)) + end * width_of(text.text or "", float(text.get("font-size", 0))) <= width


def test_the_guide_s_hosts_have_the_colours_of_their_pkeys() -> None:
    root = parsed(fabric.draw(PLAN))
    assert [title(host).partition(",")[0] for host in of_class(root, "host")] == [
        "ufm", "controller-1", "controller-2", "controller-3", "compute-1", "compute-2",
    ]  # fmt: skip
    assert {pkey: len(of_class(root, f"pkey-{pkey}")) for pkey in ("0xb", "0xc", "0xd", "0x65")} == {
        "0xb": 5, "0xc": 5, "0xd": 5, "0x65": 2,
    }  # fmt: skip
    assert len({shape.get("fill") for shape in of_class(root, "legend")}) == 4
    assert len(of_class(root, "cable")) == 6
    compute = next(host for host in of_class(root, "host") if title(host).startswith("compute-1"))
    left, top, right, bottom = box(compute)
    inside = [
        band for band in of_class(root, "pkey-0x65") if left <= box(band)[0] < right and top < box(band)[1] < bottom
    ]
    assert len(inside) == 1


def test_800_hosts_do_not_overlap_and_have_their_whole_names() -> None:
    root = parsed(fabric.draw(LARGE))
    hosts = [box(shape) for shape in of_class(root, "host")]
    assert len(hosts) == 801
    assert len(set(hosts)) == 801
    by_row: dict[float, list[tuple[float, float, float, float]]] = {}
    for one in hosts:
        by_row.setdefault(one[1], []).append(one)
    for row in by_row.values():
        for first, second in pairwise(sorted(row)):
            assert first[2] <= second[0]
    tops = sorted(by_row)
    assert all(upper + 30 <= lower for upper, lower in pairwise(tops))
    assert {f"compute-{number}" for number in range(4, 801)} <= {text.text for text in root.iter(f"{SVG}text")}
    assert float(root.get("width", 0)) < 4000 > float(root.get("height", 0))


def test_networks_show_vlan_pkey_and_members() -> None:
    root = parsed(networks.draw(PLAN))
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert {"VLAN 11, PKey 0xb", "VLAN 12, PKey 0xc", "VLAN 13, PKey 0xd", "VLAN 101, PKey 0x65", "VLAN 10"} <= set(
        texts
    )
    joints = Counter(title(joint).rpartition(" on ")[2] for joint in of_class(root, "joint"))
    assert joints["Storage, IPoIB"] == 2
    assert joints["Provisioning, 1GbE"] == 4
    assert joints["ib_tenant_net, InfiniBand"] == 3
    assert "797: compute-4 … compute-800" in [text.text for text in parsed(networks.draw(LARGE)).iter(f"{SVG}text")]


def test_a_network_that_is_left_out_is_not_drawn() -> None:
    plan = Plan(
        unchecked({"networks.control": {"Storage": PLAN.site.networks.control["Storage"].model_dump(mode="json")}})
    )
    assert len(of_class(parsed(networks.draw(plan)), "network")) == 4


@pytest.mark.parametrize(("plan", "devices", "racks"), [(PLAN, 8, 1), (LARGE, 803, 80)], ids=["guide", "800 servers"])
def test_every_device_is_in_a_rack(plan: Plan, devices: int, racks: int) -> None:
    root = parsed(elevation.draw(plan))
    frames = [box(shape) for shape in of_class(root, "rack")]
    shapes = [box(shape) for shape in of_class(root, "device")]
    assert (len(shapes), len(frames)) == (devices, racks)
    for left, top, right, bottom in shapes:
        assert any(f[0] <= left and right <= f[2] and f[1] <= top and bottom <= f[3] for f in frames)
    places = sorted((x, y, bottom) for x, y, _, bottom in shapes)
    for first, second in pairwise(places):
        assert first[0] != second[0] or first[2] <= second[1], "two devices overlap"


def test_heights_are_an_option() -> None:
    root = parsed(draw("elevation", LARGE, None, ["ComputeSriovIB=2"]))
    assert len(of_class(root, "rack")) == 39
    assert "ComputeSriovIB 2U" in "".join(text.text or "" for text in root.iter(f"{SVG}text"))


def test_components_come_from_the_state_in_the_order_of_their_dependencies() -> None:
    graph = components.read(STATE.read_text())
    assert graph["Gate gate"] == {"Fabric fabric"}
    assert graph["Introspection introspection"] == {"UfmHost ufm", "Undercloud undercloud"}
    root = parsed(components.draw("dev", graph))
    boxes = {title(shape): box(shape) for shape in of_class(root, "component")}
    assert boxes.keys() == graph.keys()
    assert len(set(boxes.values())) == len(boxes)
    for name, needs in graph.items():
        assert all(boxes[need][2] < boxes[name][0] for need in needs)
    assert len(of_class(root, "need")) == sum(map(len, graph.values()))


def test_an_edge_that_follows_from_others_is_not_drawn() -> None:
    resources: list[dict[str, Any]] = [{"urn": "s", "type": "pulumi:pulumi:Stack"}]
    for name, needs in (("a", []), ("b", ["a"]), ("c", ["a", "b"])):
        resources.append({"urn": f"x::{name}", "type": "rack:t:T", "parent": "s"})
        resources.append(
            {
                "urn": f"x::{name}1",
                "type": "command:r:C",
                "parent": f"x::{name}",
                "dependencies": [f"x::{n}1" for n in needs],
            }
        )
    graph = components.read(str({"deployment": {"resources": resources}}).replace("'", '"'))
    assert graph == {"T a": set(), "T b": {"T a"}, "T c": {"T b"}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": {}}', '{"deployment": {"resources": [{}]}}'])
def test_a_text_that_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(components.StateError, match="pass the output of `pulumi stack export`"):
        components.read(text)


def table(count: int) -> str:
    pairs = [(a, b) for a in range(1, count + 1) for b in range(1, count + 1) if a != b]
    return "from,to,gbps\n" + "".join(f"compute-{a},compute-{b},{97 if a == 2 else 195}\n" for a, b in pairs)


def test_bandwidth_of_few_hosts_is_a_cell_per_pair_with_its_number() -> None:
    root = parsed(heat.draw("x", heat.read(table(12)), 190))
    cells = {title(cell): cell.get("fill") for cell in of_class(root, "pair")}
    assert len(cells) == 144
    assert cells["compute-2 to compute-10: 97 Gb/s"] == "#b2182b"
    assert cells["compute-1 to compute-2: 195 Gb/s"] == "#2166ac"
    assert cells["compute-3 to compute-3: not measured"] == "#e5e7eb"
    assert [text.text for text in of_class(root, "host")] == [f"compute-{number}" for number in range(1, 13)]
    assert of_class(root, "summary")[0].text == "132 pairs of 12 hosts; 11 below 190"


def test_bandwidth_of_many_hosts_is_a_pixel_per_pair() -> None:
    measured = heat.read(table(100))
    root = parsed(heat.draw("x", measured, 190))
    (image,) = root.iter(f"{SVG}image")
    assert float(image.get("width", 0)) == 400
    assert len(of_class(root, "host")) >= 10
    assert not of_class(root, "pair")


def test_the_png_has_the_pixels() -> None:
    content = heat.png(2, [bytes((255, 0, 0, 0, 255, 0)), bytes((0, 0, 255, 9, 9, 9))])
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    place = content.index(b"IDAT")
    (length,) = struct.unpack(">I", content[place - 4 : place])
    assert zlib.decompress(content[place + 4 : place + 4 + length]) == (
        b"\0\xff\0\0\0\xff\0" + b"\0\0\0\xff\x09\x09\x09"
    )
    (crc,) = struct.unpack(">I", content[place + 4 + length : place + 8 + length])
    assert crc == zlib.crc32(content[place : place + 4 + length])


def test_of_a_repeated_pair_the_lowest_counts() -> None:
    assert heat.read("from,to,gbps\na,b,195\na,b,100\na,b,190\n").gbps == {("a", "b"): 100.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "--measurements:1: found no heading; write the columns from,to,gbps"),
        ("a,b\n", "--measurements:1: found no heading"),
        ("from,to,gbps\n", "--measurements: found no measurement"),
        ("from,to,gbps\na,b\n", "--measurements:2: found 'a,b'; write two hosts and Gb/s"),
        ("from,to,gbps\na,b,fast\n", "--measurements:2: found 'a,b,fast'"),
        ("from,to,gbps\na,b,nan\n", "--measurements:2: found 'a,b,nan'"),
        ("from,to,gbps\na,b,-1\n", "--measurements:2: found 'a,b,-1'"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(heat.TableError) as error:
        heat.read(text)
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    ("kind", "source", "heights", "says"),
    [
        ("components", None, [], "components: found no --state; write --state FILE"),
        ("bandwidth", None, [], "bandwidth: found no --measurements"),
        ("bandwidth", "missing.csv", [], "--measurements: cannot read missing.csv: No such file or directory"),
        ("components", "README.md", [], "--state: found no state of Pulumi"),
        ("elevation", None, ["Storage=2"], "--height: found 'Storage=2'; write KIND=UNITS"),
        ("elevation", None, ["ufm=0"], "--height: found 'ufm=0'"),
        ("elevation", None, ["ufm=43"], "--height: found 'ufm=43'"),
    ],
)
def test_a_wrong_source_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, source: str | None, heights: list[str], says: str
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(DrawError) as error:
        draw(kind, PLAN, source, heights)
    assert str(error.value).startswith(says)


def test_texts_are_escaped_and_shortened() -> None:
    picture = Picture("<a> & 'b'")
    picture.text(0, 0, "<script>")
    picture.rect(0, 0, 1, 1, about='"quoted" & <b>')
    root = parsed(picture)
    assert root.findtext(f"{SVG}title") == "<a> & 'b'"
    assert [text.text for text in root.iter(f"{SVG}text")] == ["<script>"]
    assert fitted("overcloud-computesriov-ib-100", 72) == "overcloud…"
    assert set(KINDS) == {"fabric", "networks", "elevation", "components", "bandwidth"}


SHOWN = ROOT / "docs/pictures"
SOURCES = {"components": str(STATE), "bandwidth": str(SHOWN / "bandwidth.csv")}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pictures_of_the_documentation_are_up_to_date(kind: str) -> None:
    assert (SHOWN / f"{kind}.svg").read_text() == draw(kind, PLAN, SOURCES.get(kind), []).svg(), "see docs/pictures.md"


@pytest.mark.parametrize("kind", KINDS)
def test_the_command_writes_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.chdir(ROOT)
    option = {"components": "--state", "bandwidth": "--measurements"}.get(kind)
    source = [option, SOURCES[kind]] if option else []
    out = tmp_path / "picture.svg"
    assert main(["draw", kind, "--stack", "reference", "-o", str(out), *source]) == 0
    assert capsys.readouterr().out == f"{out}: {kind} of reference\n"
    assert out.read_text() == (SHOWN / f"{kind}.svg").read_text()


def test_the_command_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["draw", "bandwidth", "--stack", "reference", "-o", str(tmp_path / "x.svg")]) == 1
    assert "rack draw: bandwidth: found no --measurements; write --measurements FILE" in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()


def test_a_state_comes_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "stdin", io.StringIO(STATE.read_text()))
    out = tmp_path / "x.svg"
    assert main(["draw", "components", "--stack", "reference", "-o", str(out), "--state", "-"]) == 0
    assert out.read_text() == (SHOWN / "components.svg").read_text()
    assert capsys.readouterr().err == ""
