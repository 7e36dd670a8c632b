"""The look of `rack drift` at a host, over real SSH: as root, and as another user with sudo."""

import hashlib
from collections.abc import Iterator

import pytest

from doctor.ssh import ProbedHost, SshError
from drift.host import look
from onhost.drift.orders import LookOrder
from tests.lab.hosts.conftest import MARKS, Lab

pytestmark = MARKS

SECRET = "s3cret of the host\n"
ORDER = LookOrder(files={"/root/secret": "", "/etc/none": ""}, units=["sshd"], jobs=[], options={}, deployed=False)


@pytest.fixture(scope="module", params=["root", "ops"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"), user=request.param)
    yield lab
    lab.stop()


def undercloud(lab: Lab, **ssh: object) -> ProbedHost:
    own = {"private_key_file": lab.key, "known_hosts_file": lab.known_hosts, **ssh}
    return ProbedHost("undercloud", lab.address("undercloud"), lab.plan.site.ssh.model_copy(update=own))


def test_every_login_sees_what_root_sees(lab: Lab) -> None:
    lab.rack.undercloud.root.write("/root/secret", SECRET)
    (lab.rack.undercloud.root.tree / "root/secret").chmod(0o600)
    facts = look(undercloud(lab), ORDER)
    secret = facts["files"]["/root/secret"]["answer"]
    assert (secret["mode"], secret["owner"]) == ("0600", "root")
    assert secret["sha256"] == hashlib.sha256(SECRET.encode()).hexdigest()
    assert SECRET.strip() not in str(facts)
    assert facts["files"]["/etc/none"] == {"answer": None}
    assert facts["units"]["sshd"]["answer"] == {"enabled": "enabled", "active": "active"}


def test_a_wrong_host_key_is_refused(lab: Lab) -> None:
    other = lab.folder / "other_hosts"
    other.write_text(lab.known_hosts.read_text().replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAJ"))
    with pytest.raises(SshError):
        look(undercloud(lab, known_hosts_file=other), ORDER)
