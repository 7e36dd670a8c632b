"""Environment files merge as tripleoclient merges them, and parameters have Heat's types."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.cloud import heat
from lab.cloud.heat import Parameters
from lab.process import LabError

SHARED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
"""Builds share this machine: time says nothing here."""

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(SCALARS, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=6),
    max_size=3,
)


def written(folder: Path, *texts: str) -> list[Path]:
    files = [folder / f"{i}.yaml" for i in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return files


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for key, value in tree.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key): value}
    return found


@SHARED
@given(TREES, TREES)
def test_values_of_the_later_file_take_precedence(old: dict[str, Any], new: dict[str, Any]) -> None:
    merged = leaves(heat.deep_update(old, new))
    for path, value in leaves(new).items():
        if value is not None and value != {}:
            assert merged[path] == value


@SHARED
@given(TREES, TREES)
def test_values_that_the_later_file_lacks_are_kept(old: dict[str, Any], new: dict[str, Any]) -> None:
    merged = leaves(heat.deep_update(old, new))
    for path, value in leaves(old).items():
        if path[0] not in new:
            assert merged[path] == value


@SHARED
@given(TREES)
def test_merging_with_itself_or_an_empty_tree_changes_nothing(tree: dict[str, Any]) -> None:
    assert heat.deep_update(tree, tree) == tree
    assert heat.deep_update(tree, {}) == tree
    assert heat.deep_update({}, tree) == tree


def test_lists_are_replaced_and_maps_are_merged(tmp_path: Path) -> None:
    merged = heat.merge(
        written(
            tmp_path,
            "parameter_defaults: {L: [1, 2], ComputeParameters: {KernelArgs: intel, Keep: 1}}",
            "parameter_defaults: {L: [3], ComputeParameters: {KernelArgs: amd}}",
        )
    )
    assert merged.parameters == {"L": [3], "ComputeParameters": {"KernelArgs": "amd", "Keep": 1}}


def test_a_role_s_parameters_take_precedence_for_that_role_only(tmp_path: Path) -> None:
    environment = heat.merge(written(tmp_path, "parameter_defaults: {A: 1, B: 1, XParameters: {B: 2}}"))
    assert [environment.role(role).number("B") for role in "XY"] == [2, 1]
    assert environment.role("X").number("A") == 1


def test_a_role_s_extra_config_takes_precedence(tmp_path: Path) -> None:
    text = "parameter_defaults: {ExtraConfig: {k: 1, other: 2}, XExtraConfig: {k: 3}}"
    environment = heat.merge(written(tmp_path, text))
    assert environment.hieradata("X") == {"k": 3, "other": 2}
    assert environment.hieradata("Y") == {"k": 1, "other": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "not a valid YAML mapping"),
        ("parameter_default: {A: 1}", 'wrong section "parameter_default"'),
        ("parameter_defaults: {A: [", "Error parsing"),
        ("parameter_merge_strategies: {A: merge}", "parameter_merge_strategies"),
    ],
)
def test_an_invalid_environment_is_refused_with_its_file_name(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LabError, match=message) as error:
        heat.merge(written(tmp_path, text))
    assert "0.yaml" in str(error.value)


def test_a_missing_file_is_reported_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"not found: .*absent\.yaml"):
        heat.merge([tmp_path / "absent.yaml"])


def test_a_comma_delimited_list_may_be_a_list_or_a_string() -> None:
    p = Parameters({"L": ["a", "b"], "S": "a, b", "E": ""})
    assert p.words("L") == p.words("S") == ("a", "b")
    assert p.words("E") == ()


@pytest.mark.parametrize("value", [True, "true", "True", "on", "yes", 1, "1"])
def test_flag_accepts_heat_s_booleans(value: object) -> None:
    assert Parameters({"B": value}).flag("B") is True


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda p: p.text("X"), {"a": 1}),
        (lambda p: p.words("X"), {"a": 1}),
        (lambda p: p.flag("X"), "perhaps"),
        (lambda p: p.number("X"), "lots"),
        (lambda p: p.number("X", least=512), 511),
        (lambda p: p.map("X"), [1]),
        (lambda p: p.map("X"), "{"),
        (lambda p: p.maps("X"), {"a": 1}),
        (lambda p: p.maps("X"), ["a"]),
    ],
)
def test_a_wrong_type_is_reported_with_the_parameter_s_name(read: Any, value: object) -> None:
    with pytest.raises(LabError, match="Parameter 'X'"):
        read(Parameters({"X": value}))


def test_a_missing_parameter_is_reported_in_heat_s_words() -> None:
    with pytest.raises(LabError, match=r"The Parameter \(MlnxSDNUrl\) was not provided\."):
        Parameters({"MlnxSDNUrl": None}).text("MlnxSDNUrl")
