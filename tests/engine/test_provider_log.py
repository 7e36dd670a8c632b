"""What the OpenStack provider's log shows of a generated key pair: the advice in docs/operations.md, Debug logs."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.build import environment
from tests.engine import small_cloud
from tests.engine.small_cloud import PASSWORD, REGION, USER

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

KEY = "CanaryOfAPrivateKey0123456789"
PROGRAM = f"""
import pulumi
import pulumi_openstack as openstack

cloud = openstack.Provider("cloud", auth_url=pulumi.Config().require("url"), user_name={USER!r}, password={PASSWORD!r},
    tenant_name="admin", user_domain_name="Default", project_domain_name="Default", region={REGION!r})
openstack.compute.Keypair("key", name="rack", opts=pulumi.ResourceOptions(provider=cloud))
"""


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve a cloud whose nova generates a key pair."""
    others = small_cloud._Handler._answer

    def answer(handler: small_cloud._Handler, body: Any) -> tuple[int, Any]:
        if "/os-keypairs" not in handler.path:
            return others(handler, body)
        pair = {"name": "rack", "fingerprint": "aa:bb", "public_key": "ssh-rsa AAAA rack", "user_id": "u"}
        return 200, {"keypair": {**pair, **({"private_key": KEY} if handler.command == "POST" else {})}}

    monkeypatch.setattr(small_cloud._Handler, "_answer", answer)
    with small_cloud.small_cloud() as cloud:
        yield f"{cloud.url}/v3"


@pytest.mark.parametrize(("level", "shown"), [("off", True), ("ERROR", False)])
def test_the_events_have_a_generated_private_key_as_documented(
    tmp_path: Path, url: str, level: str, shown: bool
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    own = {"PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(), "PULUMI_CONFIG_PASSPHRASE": "", "TF_LOG": level}
    env = {**os.environ, **environment(), **own, "PULUMI_DEBUG_COMMANDS": "true"}

    def pulumi(*words: str) -> str:
        command = ["pulumi", "--non-interactive", *words]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    pulumi("stack", "init", "test")
    pulumi("config", "set", "url", url)
    assert KEY not in pulumi("up", "--yes", "--skip-preview", "--event-log", "events")
    events = (tmp_path / "events").read_text()
    assert PASSWORD not in events
    assert (KEY in events) is shown


def test_the_advice_names_the_level() -> None:
    page = (Path(__file__).parents[2] / "docs/operations.md").read_text()
    section = page.partition("### Debug logs\n")[2].partition("\n#")[0]
    assert re.search(r"private key.*`TF_LOG=ERROR`", section, re.DOTALL)
