"""The OpenStack client's own library reads a login from a descriptor, as programs on the undercloud pass it."""

import json
import subprocess
from pathlib import Path

import pytest

from lab.cloud.processes import BIN
from onhost.undercloud.client import login_passed

pytestmark = pytest.mark.lab

CANARY = "it's $HOME canary"
RC = f"""\
export OS_USERNAME=admin
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_PASSWORD="{CANARY.replace("$", chr(92) + "$")}"
export OS_AUTH_URL=http://192.0.2.5:5000
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME=regionOne
"""
SHOW = """
import json, os
from openstack.config import OpenStackConfig

cloud = OpenStackConfig().get_one()
print(json.dumps({"name": cloud.name, "region": cloud.config["region_name"], **cloud.config["auth"]}))
"""


def test_openstacksdk_reads_the_login_from_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "rc").write_text(RC)
    with login_passed(str(tmp_path / "rc")) as environment:
        done = subprocess.run(
            [BIN / "python", "-c", SHOW],
            env=environment.variables,
            pass_fds=environment.descriptors,
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(done.stdout) == {
        "name": "rack",
        "region": "regionOne",
        "auth_url": "http://192.0.2.5:5000",
        "username": "admin",
        "password": CANARY,
        "project_name": "admin",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
