"""The site's own package repositories on the undercloud, over SSH: they replace all others, or only RDO's (C1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import components as c
from lab.hosts import mirrors, templates
from rack.plan import Plan
from rack.site import Repository
from tests.components.conftest import loops, no_callbacks, record  # noqa: F401 - fixtures of Pulumi's mocks
from tests.lab.hosts.conftest import MARKS, Lab
from tests.lab.hosts.mirror import mirror

pytestmark = MARKS

PACKAGES = ("python3-tripleoclient", "openstack-tripleo-heat-templates", "diskimage-builder")
FOLDER = "/etc/yum.repos.d"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A fresh undercloud for each test."""
    templates.fetch(print)
    lab = Lab(tmp_path / "lab")
    yield lab
    lab.stop()


def steps(lab: Lab, **keys: Any) -> dict[str, dict[str, Any]]:
    """Return the inputs of the undercloud's steps, with other keys of `undercloud`."""
    site = lab.plan.site
    plan = Plan(site.model_copy(update={"undercloud": site.undercloud.model_copy(update=keys)}))
    recorder = record(plan, lambda operator: c.Undercloud("undercloud", plan, operator, [], "ipmi") and None)
    return {name.removeprefix("undercloud-"): r.inputs for name, r in recorder.resources.items()}


def run(lab: Lab, step: dict[str, Any], verb: str = "create") -> Any:
    return lab.run("undercloud", step[verb], step.get("stdin") or "")


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_site_s_repositories_replace_all_others(lab: Lab, tmp_path: Path, scheme: str) -> None:
    before = lab.ok("undercloud", f"ls {FOLDER}")
    folder = tmp_path / "mirror" if scheme == "http" else lab.rack.undercloud.root.tree / "srv/mirror"
    mirrors.create(folder / "wallaby", PACKAGES)
    with mirror(folder) as url:
        base = f"{url}/wallaby" if scheme == "http" else "file:///srv/mirror/wallaby"
        program = steps(lab, repositories=(Repository(id="wallaby", baseurl=base),))
        for name in ("repositories", "prepare"):
            done = run(lab, program[name])
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        assert lab.ok("undercloud", f"cd {FOLDER}; ls *.repo") == "rack.repo\n"
        assert lab.ok("undercloud", "rpm -q python3-tripleoclient")
        assert "No match for argument: git" in lab.refused("undercloud", "dnf install -y git"), (
            "it has no other package"
        )
        assert run(lab, program["prepare"]).returncode == 0, "once more"
    assert run(lab, program["repositories"], "delete").returncode == 0
    assert lab.ok("undercloud", f"ls {FOLDER}") == before


def test_a_mirror_that_lacks_a_package_or_does_not_answer_is_named(lab: Lab, tmp_path: Path) -> None:
    mirrors.create(tmp_path / "mirror/wallaby", PACKAGES[2:])
    with mirror(tmp_path / "mirror") as url:
        program = steps(lab, repositories=(Repository(id="wallaby", baseurl=f"{url}/wallaby"),))
        assert run(lab, program["repositories"]).returncode == 0
        done = run(lab, program["prepare"])
        assert done.returncode == 1
        assert "Unable to find a match: python3-tripleoclient" in done.stderr
    done = run(lab, program["prepare"])
    assert done.returncode == 1
    assert "Failed to download metadata for repo 'wallaby'" in done.stderr
    assert f"{url}/wallaby/repodata/repomd.xml" in done.stderr


@pytest.mark.parametrize("kind", ["repository", "package"])
def test_tripleo_repos_comes_from_the_site_where_rdos_repository_is_gone(lab: Lab, tmp_path: Path, kind: str) -> None:
    """The package is the site's, and so are the repositories which it adds on a rack; here they are RDO's."""
    file = "python3-tripleo-repos-0.1.1-0.20220201181859.87c9879.el8.noarch.rpm"
    mirrors.create(tmp_path / "mirror/repos", ("python3-tripleo-repos",))
    (tmp_path / "mirror" / file).write_bytes(b"rpm")
    with mirror(tmp_path / "mirror") as url:
        place = f"{url}/repos" if kind == "repository" else f"{url}/{file}"
        program = steps(lab, tripleo_repos_url=place)
        for name in ("release-package", "prepare"):
            done = run(lab, program[name])
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert "delorean.repo" in lab.ok("undercloud", f"ls {FOLDER}")
    assert lab.ok("undercloud", "rpm -q python3-tripleoclient")
    assert run(lab, program["release-package"]).returncode == 0, "an installed package needs no network"


def test_a_release_package_that_is_not_there_is_named(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    with mirror(tmp_path / "mirror") as url:
        done = run(lab, steps(lab, tripleo_repos_url=f"{url}/none")["release-package"])
        assert f"Status code: 404 for {url}/none/repodata/repomd.xml" in done.stderr
        place = f"{url}/python3-tripleo-repos-1-1.el8.noarch.rpm"
        done = run(lab, steps(lab, tripleo_repos_url=place)["release-package"])
        assert f"Could not open: {place}" in done.stderr
