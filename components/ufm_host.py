"""UFM on its host, after the guide's chapter "Fabric Management Node (UFM) Installation" (U1 to U8).

What this component enforces: every fault of the host is said before anything is changed; the licence is a secret file;
UFM is installed once, and upgraded where the configuration names another image; what is taken from the host on destroy
is what was brought, and no more; the default login does not outlive the installation; the API token is made once and
is a secret. Where `ufm.host` is left out, UFM runs already and only password and token are managed.

The steps are the scripts in `components/ufm`, each the text of one command, so that a change of it or of its
configuration runs it again, and nothing else does.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

import pulumi
from pulumi_command import remote

from components.ssh import Host, Operator, script
from providers.ufm import AccessToken, AdminPassword
from rack.plan import Plan
from rack.site import Site

LICENSE_FILE = "mlnx-ufm.lic"
NOTES = "/var/lib/rack-ufm"
"""Where the steps note on the host what is theirs."""
START_SECONDS = 900
"""What UFM may take to start: minutes on a large fabric, more after an upgrade."""


def step(site: Site, *names: str) -> str:
    """Scripts of `components/ufm`, one after the other, with the variables they name."""
    folder = files("onhost").joinpath("ufm")
    lines = [folder.joinpath(f"{name}.sh").read_text() for name in names]
    used = set(re.findall(r"\$\{?([A-Z_]+)", "".join(lines)))
    return script(*lines, environment={k: v for k, v in _variables(site).items() if k in used})


def restart(site: Site) -> str:
    """O6: `ufmd restart`, and the wait until UFM is back."""
    return step(site, "common", "restart")


def _variables(site: Site) -> dict[str, str]:
    host = site.ufm.host
    assert host, "the steps are for a UFM host of ours"
    return {
        "ADDRESS": str(site.ufm.address),
        "ARCHIVE": host.image_archive or "",
        "FABRIC": host.fabric_interface,
        "FABRIC_ADDRESS": str(host.fabric_address),
        "FILES": host.files_dir.rstrip("/"),
        "GUID": host.guid,
        "IMAGE": host.image,
        "IMAGES": " ".join(host.images),
        "INSTALLER": host.installer_image or "",
        "LICENSE": f"{host.license_dir.rstrip('/')}/{LICENSE_FILE}",
        "LICENSES": host.license_dir.rstrip("/"),
        "LIMIT": str(START_SECONDS),
        "MANAGEMENT": host.management_interface,
        "NOTES": NOTES,
    }


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
        self._name, self._site = name, plan.site
        ufm = plan.site.ufm
        installed = self._install(operator.known(ufm.address), license_text) if ufm.host else None
        done = [installed] if installed else []
        password = AdminPassword(f"{name}-admin", generation=ufm.password_generation, opts=self._child(*done))
        token = AccessToken(f"{name}-token", generation=ufm.token_generation, opts=self._child(password))
        self.url = pulumi.Output.from_input(ufm.url)
        self.version = _last_line(installed.stdout) if installed else password.version
        self.token = token.token
        self.ready: list[pulumi.Resource] = [password]
        """What must exist before UFM's API can be used."""
        self.register_outputs({"url": self.url, "version": self.version})

    def _child(self, *depends_on: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on))

    def _install(self, at: Host, license_text: pulumi.Input[str] | None) -> remote.Command:
        if license_text is None:
            raise pulumi.RunError("UFM's licence is missing: pulumi config set --secret ufmLicense < LICENCE-FILE")
        checked = self._step(at, "prerequisites", step(self._site, "common", "prerequisites"))
        folders = self._step(
            at,
            "folders",
            step(self._site, "common", "folders"),
            delete=step(self._site, "address-common", "remove"),
            after=[checked],
        )
        address = self._step(at, "fabric-address", step(self._site, "address-common", "address"), after=[folders])
        license_file = self._step(
            at,
            "license",
            step(self._site, "license"),
            stdin=license_text,
            delete=f"rm -f {_variables(self._site)['LICENSE']}",
            after=[folders],
        )
        return self._step(
            at,
            "install",
            step(self._site, "common", "install"),
            after=[address, license_file],
            protect=self._site.protect,
        )

    def _step(
        self,
        at: Host,
        name: str,
        create: str,
        *,
        stdin: pulumi.Input[str] | None = None,
        delete: str | None = None,
        after: Sequence[pulumi.Resource] = (),
        protect: bool = False,
    ) -> remote.Command:
        opts = pulumi.ResourceOptions.merge(self._child(*after), pulumi.ResourceOptions(protect=protect))
        return at.run(f"{self._name}-{name}", create, stdin=stdin, delete=delete, quiet=stdin is not None, opts=opts)


def _last_line(text: pulumi.Output[str]) -> pulumi.Output[str]:
    return text.apply(lambda lines: lines.strip().rpartition("\n")[2])
