"""rack/site/stack.schema.json: generated, complete, and its patterns are those of the loader."""

import os
import re
import runpy
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from rack.site import SECRETS, Site, json_schema, stack_file
from rack.site.schema import Key, Type, keys
from tests.rack.sites import ROOT, STACK_FILES

SCHEMA = json_schema.schema()
WITHOUT = ("File", ".file", "publicKey", "mlnxOfed.package", "fingerprint", "sha256", "environment")
"""Ends of the paths of texts that have no example worth completing."""
SITE = SCHEMA["properties"]["config"]["properties"]["rack:site"]


def texts() -> Iterator[tuple[str, Type]]:
    """Yield the path and type of every text with a pattern."""
    for key in keys(Site):
        kind = key.type.item or key.type
        if not kind.model and not kind.item and json_schema._pattern(kind):
            yield key.path, kind


def test_the_file_is_up_to_date() -> None:
    command = "python -m rack.site.json_schema > rack/site/stack.schema.json"
    assert json_schema.FILE.read_text() == json_schema.text(), f"run: {command}"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_the_module_prints_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("rack.site.json_schema", run_name="__main__")
    assert capsys.readouterr().out == json_schema.FILE.read_text()


def found(path: str) -> Any:
    """Return the schema at a path like `networks.control.NAME.vlan`."""
    here: Any = SITE
    for part in path.split("."):
        name = part.removesuffix("[]")
        here = here["properties"]["Storage" if name == "NAME" else name]
        here = here["items"] if part.endswith("[]") else here
    return here


@pytest.mark.parametrize("key", list(keys(Site)), ids=lambda key: key.path)
def test_every_key_is_there_with_its_description_and_default(key: Key) -> None:
    one = found(key.path)
    assert one["description"]
    default = key.field.get_default(call_default_factory=True)
    if not key.field.is_required() and default is not None and not key.type.model:
        annotation: Any = Annotated[key.field.annotation, key.type, *key.field.metadata]
        assert TypeAdapter(annotation).validate_json(to_json(one["default"]), by_alias=True, by_name=False) == default


@pytest.mark.parametrize(("path", "kind"), list(texts()), ids=lambda part: part if isinstance(part, str) else "")
def test_every_pattern_has_a_message_and_an_example(path: str, kind: Type) -> None:
    leaf = json_schema._leaf(kind)
    assert leaf["patternErrorMessage"] == f"Write {kind.describe()}."
    assert "examples" in leaf or path.endswith(WITHOUT)
    for example in leaf.get("examples", ()):
        assert re.fullmatch(leaf["pattern"], example), example


@pytest.mark.parametrize("name", STACK_FILES)
def test_the_stack_files_name_the_schema(name: str) -> None:
    first = (ROOT / name).read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={os.path.relpath(json_schema.FILE, ROOT)}"


def test_every_secret_is_there_and_must_be_encrypted() -> None:
    config = SCHEMA["properties"]["config"]["properties"]
    for name, meaning in SECRETS.items():
        one = config[f"rack:{name}"]
        assert one["description"] == meaning
        assert all("secure" in str(way) for way in one.get("anyOf", [one]))


KINDS = list({json_schema._pattern(kind): kind for _, kind in texts()}.values())
MORE = (
    "a time zone", "a list of CPUs", "a container image", "a registry and namespace", "a URL",
    "the path on the host, or the URL", "an OpenSSH public key",
)  # fmt: skip
"""Types of which a pattern cannot tell all: time zones of the machine, the order of two numbers, the
numbers of ports and addresses, the fields of a key."""
ALPHABET = st.sampled_from([*"0123456789abcdfxXzAFZ.:-_/ ,=@+$%~|\t\n\\'\"", "é", "\u00a0", "\u3000", "٣"])


@st.composite
def spellings(draw: st.DrawFn, pattern: str) -> str:
    """Texts that match a pattern, texts that nearly do, and others."""
    text = draw(st.one_of(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True), st.text(ALPHABET, max_size=20)))
    place, length = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
    new = draw(st.one_of(st.just(text[place : place + length]), st.text(ALPHABET, max_size=2)))
    return text[:place] + new + text[place + length :]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.describe()[:40])
@given(st.data())
def test_a_pattern_accepts_what_the_loader_accepts(kind: Type, data: st.DataObject) -> None:
    leaf = json_schema._leaf(kind)
    text = data.draw(spellings(leaf["pattern"]))
    assume(not stack_file.UNPRINTABLE.search(text) and not text.startswith("~") and len(text.encode()) < 250)
    annotation: Any = Annotated[kind.bare, kind, *kind.metadata]
    try:
        TypeAdapter(annotation).validate_json(to_json(text), strict=True)
        valid = True
    except ValidationError:
        valid = False
    matches = bool(re.fullmatch(leaf["pattern"], text, re.ASCII))
    assert matches == valid or (matches and kind.describe().startswith(MORE))
