"""The tenant layer with Pulumi and with Terraform, from equivalent programs."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from components.overcloud import parse_rc
from lab import addresses

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PROVIDER = "github.com/terraform-provider-openstack/terraform-provider-openstack/v3"

Seconds = Callable[..., float]


def compare(env: Mapping[str, str], seconds: Seconds) -> dict[str, tuple[float, float]]:
    """Return, by step, the seconds with Pulumi and with Terraform.

    Raises:
        SystemExit: terraform is not on PATH, or the cloud is not deployed.
    """
    if shutil.which("terraform") is None:
        raise SystemExit("cannot compare with Terraform: terraform is not on PATH; install it")
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "blank.img")
        image.write_bytes(bytes(1 << 20))
        login = {**env, **overcloudrc(), "BENCH_IMAGE": str(image), "TF_VAR_image": str(image)}
        ours = _pulumi(login, Path(folder), seconds)
        theirs = _terraform(login, Path(folder), seconds)
    return {step: (ours[step], theirs[step]) for step in ours}


def overcloudrc() -> dict[str, str]:
    """Return the variables of the administrator's login, which the deployment wrote on the lab's undercloud.

    Raises:
        SystemExit: the overcloud is not deployed.
    """
    found = list(addresses.STATE.glob("hosts/undercloud/root/home/stack/overcloudrc"))
    if not found:
        raise SystemExit("the overcloud is not deployed; run `make up` first")
    return parse_rc(found[0].read_text())


def _pulumi(env: Mapping[str, str], folder: Path, seconds: Seconds) -> dict[str, float]:
    backend = folder / "state"
    backend.mkdir()
    env = {**env, "PULUMI_BACKEND_URL": backend.as_uri()}
    program = HERE / "pulumi"
    seconds(["pulumi", "stack", "init", "bench"], program, env)
    run = ["--yes", "--skip-preview", "--stack", "bench", "--non-interactive"]
    found = {}
    try:
        found["create"] = seconds(["pulumi", "up", *run], program, env)
        found["no-op"] = seconds(["pulumi", "up", *run, "--expect-no-changes"], program, env)
    finally:
        found["destroy"] = seconds(["pulumi", "destroy", *run], program, env)
        (program / "Pulumi.bench.yaml").unlink(missing_ok=True)
    return found


def _terraform(env: Mapping[str, str], folder: Path, seconds: Seconds) -> dict[str, float]:
    binaries = folder / "provider"
    binaries.mkdir()
    target = binaries / "terraform-provider-openstack"
    # A copy, because building the provider alone adds checksums to go.sum.
    module = Path(shutil.copytree(PROJECT / "engine/openstack", folder / "module"))
    subprocess.run(["go", "build", "-mod=mod", "-o", str(target), PROVIDER], cwd=module, check=True)
    rc = folder / "terraformrc"
    rc.write_text(
        'provider_installation {\n  dev_overrides {\n    "terraform-provider-openstack/openstack" = '
        f'"{binaries}"\n  }}\n  direct {{}}\n}}\n'
    )
    program = folder / "terraform"
    shutil.copytree(HERE / "terraform", program)
    env = {**env, "TF_CLI_CONFIG_FILE": str(rc), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    run = ["-auto-approve", "-input=false", "-no-color"]
    found = {}
    try:
        found["create"] = seconds(["terraform", "apply", *run], program, env)
        found["no-op"] = seconds(["terraform", "apply", *run], program, env)
    finally:
        found["destroy"] = seconds(["terraform", "destroy", *run], program, env)
    return found
