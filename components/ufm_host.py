"""UFM on its host, after the guide's chapter "Fabric Management Node (UFM) Installation" (U1 to U8).

What this component enforces: the host is checked before anything is changed; the licence is a secret file; the default
login does not outlive the installation; the API token is made once and is a secret. Where `ufm.host` is left out, UFM
runs already and only password and token are managed.
"""

import shlex

import pulumi

from components.ssh import Operator, script
from providers.ufm import AccessToken, AdminPassword
from rack.config import UfmHost as UfmHostConfig
from rack.plan import Plan

LICENSE_FILE = "mlnx-ufm.lic"

# Each check names what to do; all of them are reported before the host is given up.
PREREQUISITES = """\
fail=0
say() { echo "UFM host: $1" >&2; fail=1; }
. /etc/os-release
[ "$ID" = ubuntu ] || say "the OS is $PRETTY_NAME; the guide's UFM runs on Ubuntu (U1)"
ofed_info -s >/dev/null 2>&1 || say "MLNX_OFED is missing; install it (U1)"
docker version >/dev/null 2>&1 || say "Docker does not answer; install and enable it (U1)"
ibstat | grep -q 'State: Active' || say "no InfiniBand port is Active; check cable and switch with ibstat (U2)"
ibstat | grep -q 'Physical state: LinkUp' || say "no InfiniBand link is up; check cable and switch with ibstat (U2)"
[ "$fail" = 0 ]
ofed_info -s"""


class UfmHost(pulumi.ComponentResource):
    """UFM, installed or existing, with its own password and an API token."""

    url: pulumi.Output[str]
    version: pulumi.Output[str]
    """UFM's release, e.g. `6.19.1-5`."""
    token: pulumi.Output[str]
    """Access token for Neutron's driver; secret."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        operator: Operator,
        license_text: pulumi.Input[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rack:fabric:UfmHost", name, None, opts)
        self._name, self._plan, self._operator = name, plan, operator
        ufm = plan.site.ufm
        running = self._install(ufm.host, license_text) if ufm.host else []
        password = AdminPassword(f"{name}-admin", generation=ufm.password_generation, opts=self._child(running))
        token = AccessToken(f"{name}-token", generation=ufm.token_generation, opts=self._child([password]))
        self.url = pulumi.Output.from_input(ufm.url)
        self.version = password.version
        self.token = token.token
        self.ready: list[pulumi.Resource] = [password]
        """What must exist before UFM's API can be used."""
        self.register_outputs({"url": self.url, "version": self.version})

    def _child(self, depends_on: list[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=depends_on)

    def _install(self, host: UfmHostConfig, license_text: pulumi.Input[str] | None) -> list[pulumi.Resource]:
        if license_text is None:
            raise pulumi.RunError("UFM's licence is missing: pulumi config set --secret ufmLicense < LICENCE-FILE")
        at = self._operator.known(self._plan.site.ufm.address)
        checked = at.run(f"{self._name}-prerequisites", script(PREREQUISITES), opts=self._child([]))
        address = at.run(
            f"{self._name}-fabric-address",
            script(
                f"ip address replace {host.fabric_address} dev {host.fabric_interface}",
                f"ip link set {host.fabric_interface} up",
            ),
            delete=script(f"ip address del {host.fabric_address} dev {host.fabric_interface} 2>/dev/null || true"),
            opts=self._child([checked]),
        )
        license_file = at.file(
            f"{self._name}-license",
            f"{host.license_dir}/{LICENSE_FILE}",
            license_text,
            mode="0600",
            opts=self._child([checked]),
        )
        installed = at.run(
            f"{self._name}-install",
            script(*_install(host)),
            delete=script(*_remove(host)),
            opts=self._child([address, license_file]),
        )
        return [installed]


def _install(host: UfmHostConfig) -> list[str]:
    """U4 to U6: the guide's installer, unattended, and the wait until ufmd runs. Nothing is done where UFM is up."""
    files, licenses = shlex.quote(host.files_dir), shlex.quote(host.license_dir)
    installer, image = shlex.quote(host.installer_image), shlex.quote(host.image)
    return [
        f"mkdir -p {files} {licenses}",
        "if [ -z \"$(docker ps -q --filter name='^ufm$')\" ]; then",
        f"  docker pull {installer}",
        "  docker run --name=ufm_installer --rm"
        " -v /var/run/docker.sock:/var/run/docker.sock"
        f" -v {files}:/installation/ufm_files/ -v {licenses}:/installation/ufm_licenses/"
        f" {installer} --install -m SA -e {image}"
        f" --fabric-interface {host.fabric_interface} --mgmt-interface {host.management_interface}",
        "fi",
        "pause=1; waited=0",
        "until docker exec ufm /etc/init.d/ufmd status | grep -q 'is running'; do",
        '  [ "$waited" -lt 600 ] || { echo "ufmd does not run after 10 minutes; see docker logs ufm" >&2; exit 1; }',
        '  echo "waiting for ufmd (${waited} s)"; sleep "$pause"',
        "  waited=$((waited + pause)); pause=$((pause < 15 ? pause * 2 : 15))",
        "done",
        "docker exec ufm /etc/init.d/ufmd status",
    ]


def _remove(host: UfmHostConfig) -> list[str]:
    files, licenses = shlex.quote(host.files_dir), shlex.quote(host.license_dir)
    return [
        "docker rm -f ufm",
        f"docker rmi {shlex.quote(host.image)} {shlex.quote(host.installer_image)} || true",
        f"rm -rf {files}",
        f"rmdir {licenses} 2>/dev/null || true",
    ]
