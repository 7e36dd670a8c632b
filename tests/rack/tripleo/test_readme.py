"""The README of rendered documents: a snapshot, and what depends on the site."""

from pathlib import Path

from rack.plan import Plan
from rack.tripleo.readme import readme
from tests.rack import sites
from tests.rack.rules.cases import OFFLINE, RHOSP

SNAPSHOT = Path(__file__).with_name("readme_reference.txt")
"""The README of the guide's rack. Rewrite it with: python -m tests.rack.tripleo.test_readme"""


def reference() -> str:
    return readme(Plan(sites.plan().site, "reference"))


def test_the_readme_is_the_snapshot() -> None:
    assert reference() == SNAPSHOT.read_text()


def test_the_readme_lists_the_pkeys() -> None:
    text = readme(sites.plan())
    assert "| InternalApi | 12 | `0xc` | every node, full |" in text
    assert "| tenants | 101-200 | `0x65`-`0xc8` |" in text
    assert '& compute-2 --- pkey0(["InternalApi 0xc"])' in text


def test_the_readme_states_the_source_of_disk_images() -> None:
    assert "2. C5: `openstack overcloud image build`, `openstack overcloud image upload`." in readme(sites.plan())
    assert "`sudo dnf install -y rhosp-director-images-uefi-x86_64" in readme(sites.plan(RHOSP))
    assert "2. C5: `tar -xf /srv/overcloud-images.tar`, `openstack" in readme(sites.plan(OFFLINE))


def test_the_readme_lists_the_documents_and_secrets_of_the_site() -> None:
    assert "| `rack.repo` | C1 |" in readme(sites.plan(OFFLINE))
    assert "rack.repo" not in readme(sites.plan())
    assert "| `WRITE-HERE-registryPassword` |" in readme(sites.plan(RHOSP))
    assert "registryPassword" not in readme(sites.plan())


if __name__ == "__main__":
    SNAPSHOT.write_text(reference())
