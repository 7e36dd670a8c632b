"""UFM on its host, after the guide's chapter "Fabric Management Node (UFM) Installation" (U1 to U8).

What this component enforces: all faults of the host are listed before anything is changed; the licence is a secret
file; UFM is installed once, and upgraded where the configuration names another image; destroy removes only what this
stack has brought to the host; the default login is changed right after the installation; the API token is created once
and is a secret. Where `ufm.host` is left out, UFM is already running, and only password and token are managed.

The steps are the scripts in `onhost/ufm`. Each is the text of one command, so that a change of the script or of its
configuration runs it again, and nothing else does. Do not reword `common`, `install`, `license` and `restart`: their
steps install or restart UFM.
"""

import re
from collections.abc import Sequence
from importlib.resources import files

import pulumi
from pulumi_command import remote

from components.base import Component
from components.ssh import Host, Operator, script
from providers.ufm import AccessToken, AdminPassword
from rack.plan import Plan
from rack.site import Site

LICENSE_FILE = "mlnx-ufm.lic"
NOTES = "/var/lib/rack-ufm"
"""Folder on the host in which the steps note what belongs to this stack."""
START_SECONDS = 900
"""Timeout for UFM to start: it takes minutes on a large fabric, and longer after an upgrade."""


def step(site: Site, *names: str) -> str:
    """Return scripts of `onhost/ufm`, one after the other, with the variables that they use."""
    folder = files("onhost").joinpath("ufm")
    lines = [folder.joinpath(f"{name}.sh").read_text() for name in names]
    used = set(re.findall(r"\$\{?([A-Z_]+)", "".join(lines)))
    return script(*lines, environment={k: v for k, v in _variables(site).items() if k in used})


def restart(site: Site) -> str:
    """Return the script that restarts ufmd and waits until UFM runs again (O6)."""
    return step(site, "common", "restart")


def _variables(site: Site) -> dict[str, str]:
    host = site.ufm.host
    assert host, "ufm.host is left out, so there are no steps on UFM's host"
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


class UfmHost(Component):
    """UFM, installed or existing, with its own password and an API token."""

    TYPE = "rack:fabric:UfmHost"

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
        """Install UFM where `ufm.host` is configured; set the password and create the token.

        Raises:
            RunError: UFM is to be installed and `license_text` is missing.
        """
        super().__init__(name, opts)
        self._site = plan.site
        ufm = plan.site.ufm
        installed = self._install(operator.host(ufm.ssh_address), license_text) if ufm.host else None
        done = [installed] if installed else []
        password = AdminPassword(f"{name}-admin", generation=ufm.password_generation, opts=self._child(*done))
        token = AccessToken(f"{name}-token", generation=ufm.token_generation, opts=self._child(password))
        self.url = pulumi.Output.from_input(ufm.url)
        self.version = _last_line(installed.stdout) if installed else password.version
        self.token = token.token
        self.ready: list[pulumi.Resource] = [password]
        """Resources that users of UFM's API depend on."""
        self.register_outputs({"url": self.url, "version": self.version})

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
        opts = self._child(*after, protect=protect)
        return at.run(f"{self._name}-{name}", create, stdin=stdin, delete=delete, quiet=stdin is not None, opts=opts)


def _last_line(text: pulumi.Output[str]) -> pulumi.Output[str]:
    return text.apply(lambda lines: lines.strip().rpartition("\n")[2])
