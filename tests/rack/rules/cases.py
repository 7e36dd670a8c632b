"""Shared parts of the tests of design rules: edits to the guide's rack, and the two tests of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from rack import rules
from rack.site import Site
from rack.site.schema import type_at
from tests.rack.sites import DROP, REFERENCE, steps, unchecked

Edits = dict[str, Any]

PROVISIONING, EXTERNAL, CONTROL = "networks.provisioning", "networks.external", "networks.control"
PUBLIC = "externalAccess.network"
FLOATING = "externalAccess.floatingIps"
VMS: list[dict[str, str]] = REFERENCE["tenant"]["instances"]

NO_FLOATING: Edits = {FLOATING: []}
OWN_PUBLIC: Edits = {
    f"{PUBLIC}.cidr": "10.9.0.0/24",
    f"{PUBLIC}.gateway": "10.9.0.1",
    f"{PUBLIC}.pool": {"start": "10.9.0.10", "end": "10.9.0.99"},
    **NO_FLOATING,
}
"""A public network beside the rack's."""
ONE_INSTANCE: Edits = {"tenant.instances": VMS[:1], "bandwidth": DROP}
BOTH_ON_COMPUTE_1: Edits = {"tenant.instances[1].compute": "compute-1", "bandwidth": DROP}

OWN_NAMESPACE = "registry.example:5000/tripleowallaby"
OFFLINE: Edits = {
    "internet": False,
    "undercloud.repositories": [{"id": "wallaby", "baseurl": "http://mirror.example/wallaby"}],
    "undercloud.containerNamespace": OWN_NAMESPACE,
    "undercloud.imagesArchive": "/srv/overcloud-images.tar",
    "images[0].elements": [],
    "images[0].file": "/srv/centos8-stream.qcow2",
    "images[1].elements": [],
    "images[1].file": "~/centos8-stream-gdr.qcow2",
    "ufm.host.imageArchive": "/root/ufm.tar",
}
"""The keys that a site without Internet access needs."""
RHOSP: Edits = {"undercloud.distribution": "rhosp-17.1", "undercloud.registry": {"user": "1234|rack"}}
DIGEST = f"registry:5000/ufm@sha256:{'0123456789abcdef' * 4}"


class Broken(NamedTuple):
    """A site that breaks one rule."""

    rule: str
    paths: tuple[str, ...]
    """Of all findings, in their order."""
    edits: Edits


def broken(rule: str, paths: str | tuple[str, ...], edits: Edits) -> Broken:
    return Broken(rule, (paths,) if isinstance(paths, str) else paths, edits)


def name(case: object) -> str | None:
    """The ID of a test's parameter."""
    if isinstance(case, Broken):
        return f"{case.rule}-{case.paths[-1]}"
    return ",".join(f"{path}={value}" for path, value in case.items())[:70] if isinstance(case, dict) else None


def findings(edits: Edits) -> list[str]:
    return [str(finding) for finding in rules.check(unchecked(edits))]


def broken_test(cases: Sequence[Broken]) -> Callable[[Broken], None]:
    """Return the test that each case breaks its rule, at its paths, and no other."""

    @pytest.mark.parametrize("case", cases, ids=name)
    def test(case: Broken) -> None:
        found = rules.check(unchecked(case.edits))
        assert {f.rule for f in found} == {case.rule}
        assert tuple(f.path for f in found) == case.paths
        assert all(type_at(Site, tuple(steps(f.path))) for f in found), "each path is one of the YAML"
        assert all(f"; {f.write} ({case.rule})" in str(f) for f in found)

    return test


def valid_test(sites: Sequence[Edits]) -> Callable[[Edits], None]:
    """Return the test that each site has no findings."""

    @pytest.mark.parametrize("edits", sites, ids=name)
    def test(edits: Edits) -> None:
        assert findings(edits) == []

    return test
