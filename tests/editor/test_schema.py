"""The JSON Schema accepts and refuses what the loader accepts and refuses by type, under a real validator (ajv)."""

import copy
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from rack.site import Site, json_schema, stack_file
from rack.site.load import ConfigError, _beside, _prefixed, _written
from tests import yamls
from tests.editor.server import FOLDER, HERE, install
from tests.rack.corpus import test_corpus as corpus
from tests.rack.site.test_load import REFUSED
from tests.rack.sites import ROOT, STACK_FILES, document, documents

BEYOND = re.compile(
    r"ends|no time zone|of a user without a home|write the lower CPU first|write numbers up to 8191|found port"
    r"|without \.\.|no address of a host|more than once|incomplete key|found \d+ bytes|at most 255"
)
"""Messages of types that the schema cannot express: they depend on the machine, or on a part of the value."""


class Validator:
    """ajv, the validator of JSON Schema on which yaml-language-server builds too."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def errors(self, stack: Any) -> list[str]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(to_json(stack, inf_nan_mode="strings").decode().replace("\n", " ") + "\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    node, _ = install()
    command = [str(node), str(HERE / "validate.js"), str(json_schema.FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=FOLDER) as process:
        yield Validator(process)


def refused_by_type(stack: Any) -> list[str]:
    """Return why the loader refuses a stack file without looking at any design rule."""
    try:
        config = _prefixed(stack["config"])
        found = [one for one in _beside(config) if "no such node" not in one]
        Site.model_validate_json(to_json(_written(config["rack:site"])), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        return found + [one["msg"] for one in error.errors()]
    except ConfigError as error:
        return list(error.problems)
    return found


def assert_judged_alike(validator: "Validator", stack: Any) -> None:
    """Assert that the schema accepts what the loader accepts, and refuses what it refuses, where it can."""
    refused, errors = refused_by_type(stack), validator.errors(stack)
    assert refused or not errors, errors
    assert errors or all(BEYOND.search(one) for one in refused), refused


def of(site: Any) -> Any:
    return {"config": {"rack:site": site}}


@pytest.mark.parametrize("name", STACK_FILES)
def test_the_stack_files_are_accepted(validator: Validator, name: str) -> None:
    assert validator.errors(stack_file.read((ROOT / name).read_bytes())) == []


EDITS = [{path: value} for path, value, _ in (*corpus.VALUES, *REFUSED.values())]
EDITS += [{path.partition("#")[0]: value} for path, value in corpus.CREDENTIALS.items()] + [
    edits for edits, _, _ in corpus.SETS
]


@pytest.mark.parametrize("edits", EDITS, ids=lambda edits: repr(edits)[:60])
def test_a_site_of_the_corpus_is_refused_exactly_if_its_types_are_wrong(
    validator: Validator, edits: dict[str, Any]
) -> None:
    try:
        stack = stack_file.read(yamls.dump(of(document(edits))).encode())
    except stack_file.StackFileError:
        return  # Not a matter of types: the language server reports the YAML itself.
    assert_judged_alike(validator, stack)


@pytest.mark.parametrize("name", corpus.TEXTS)
def test_a_text_of_the_corpus_is_refused_exactly_if_its_types_are_wrong(validator: Validator, name: str) -> None:
    old, new, _ = corpus.TEXTS[name]
    try:
        stack = stack_file.read(corpus.REFERENCE.replace(old, new, 1).encode())
        has_site = {"site", "rack:site"} & stack["config"].keys()
    except stack_file.StackFileError:
        return
    if has_site:
        assert_judged_alike(validator, stack)
    else:
        assert validator.errors(stack)


@given(documents())
def test_every_valid_site_is_accepted(validator: Validator, site: Any) -> None:
    assert validator.errors(of(site)) == []


ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 70000), st.floats(0, 500), st.text(max_size=20), st.just([]), st.just({}),
    st.sampled_from(["8", "192.168.24.7", "224.0.0.1", "10.0.0.0/24", "10.0.0.0/255.255.255.0", "10.0.0.1/24", "ib2"]),
    st.lists(st.one_of(st.integers(0, 5000), st.just("192.168.24.7")), max_size=3),
    st.fixed_dictionaries({"start": st.just("10.0.0.1")}),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


SITE = document(
    {
        "builder": {"address": "192.168.24.5"},
        "compute.maxReadRequest": 4096,
        "firmware": {"parameters": [{"name": "PCI_WR_ORDERING", "value": 1}], "minimumRelease": "20.32.1010"},
        "images[0].environment": {"DIB_A": "b"},
        "undercloud.repositories": [{"id": "a", "baseurl": "https://mirror.example/a"}],
        "ssh.proxy": {"address": "192.168.24.6", "user": "jump"},
        "tenant.keyPair": {"publicKey": "ssh-ed25519 AAAAx name"},
    }
)
PLACES = list(places(SITE))


@settings(max_examples=300)
@given(st.sampled_from(PLACES), ANY)
def test_any_value_at_any_key_is_judged_as_the_loader_does(
    validator: Validator, path: tuple[Any, ...], value: Any
) -> None:
    site: Any = copy.deepcopy(SITE)
    here = site
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    stack = of(site)
    assert_judged_alike(validator, stack)


SECRET = "v1:M59lTNlfgrBKaorR:P4e3cA+8dLd57VqhIW/LDEWvbiS6D+XCW24="


@pytest.mark.parametrize(
    ("beside", "accepted"),
    [
        ({"rack:ufmPassword": {"secure": SECRET}}, True),
        ({"ufmPassword": {"secure": SECRET}}, True),
        ({"rack:ufmPassword": {"secure": "hunter2"}}, False),
        ({"rack:ufmPassword": "hunter2"}, False),
        ({"rack:ufmPassword": {"secure": SECRET, "more": 1}}, False),
        ({"rack:ipmiPasswords": {"compute-1": {"secure": SECRET}}}, True),
        ({"rack:ipmiPasswords": {"secure": SECRET}}, True),
        ({"rack:ipmiPasswords": {"compute-1": "hunter2"}}, False),
        ({"rack:colour": "red"}, False),
        ({"colour": "red"}, False),
        ({"site": {}}, False),
        ({"rack:takeFrom": "0123456789abcdef"}, True),
        ({"rack:repair": {"overcloud-deploy": 1, "undercloud-conf": "12"}}, True),
        ({"rack:repair": {"overcloud-deploy": 0}}, False),
        ({"rack:repair": {"overcloud-deploy": True}}, False),
        ({"rack:repair": "overcloud-deploy"}, False),
        ({"pulumi:disable-default-providers": ["*"]}, True),
        ({"lab:spares": []}, True),
        ({"openstack:authUrl": "https://10.0.0.50:13000"}, True),
    ],
    ids=repr,
)
def test_keys_beside_the_site(validator: Validator, beside: dict[str, Any], accepted: bool) -> None:
    stack = of(document())
    stack["config"] |= beside
    assert (not validator.errors(stack)) == accepted == (not refused_by_type(stack))


def test_the_site_as_a_json_text_is_accepted_as_pulumi_writes_it(validator: Validator) -> None:
    assert validator.errors(of(json.dumps(document()))) == []
