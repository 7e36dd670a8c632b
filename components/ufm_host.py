"""UFM on its host, after the guide's chapter "Fabric Management Node (UFM) Installation" (U1 to U8).

What this component enforces: the host belongs to this stack; Docker and MLNX_OFED are installed where the configuration
asks for it; all other faults of the host are listed before anything else is changed; the licence is a secret file; UFM
is installed once, and upgraded where the configuration names another image; destroy removes only what this stack has
brought to the host, except Docker and MLNX_OFED; the default login is changed right after the installation; the API
token is created once and is a secret. Where `ufm.host` is left out, UFM is already running, and only password and token
are managed.

The steps are the scripts in `onhost/ufm`, which one program on the host contains. A command names its step and the
settings that the step uses, so that a change of a setting runs these steps again and no others, and an error shows a
short command. A new version of the program runs no step again.
"""

import hashlib
import shlex
import ssl
from collections.abc import Mapping, Sequence
from typing import cast

import pulumi
from pulumi.output import UNKNOWN
from pulumi_command import remote

from access import local
from access.ssh import Operator, SshHost
from components.base import Component
from components.owner import Ownership
from onhost import shipping
from providers.ufm import AccessToken, AdminPassword, Provider
from rack.plan import Plan
from rack.site import Site

PROGRAM = "/opt/rack-ufm"
"""Path of the program with the steps on UFM's host."""
LICENSE_FILE = "mlnx-ufm.lic"
START_SECONDS = 900
"""Timeout for UFM to start: it takes minutes on a large fabric, and longer after an upgrade."""
SETTINGS: Mapping[str, Sequence[str]] = {
    "docker": ("PACKAGES", "REPOSITORY"),
    "ofed": ("CHECKSUM", "GUID", "OFED", "OPTIONS"),
    "prerequisites": ("ADDRESS", "ARCHIVE", "FABRIC", "GUID", "IMAGE", "INSTALLER", "LATER", "MANAGEMENT"),
    "folders": ("FILES", "LICENSES"),
    "address": ("FABRIC", "FABRIC_ADDRESS"),
    "license": ("FILES", "LICENSES"),
    "install": ("ARCHIVE", "FABRIC", "FILES", "GUID", "IMAGE", "INSTALLER", "LICENSES", "LIMIT", "MANAGEMENT"),
    "certificate": ("ADDRESS", "FILES", "GUID", "LIMIT", "NAME", "PORT"),
    "restart": ("FILES", "GUID", "LIMIT"),
    "remove": (),
}
"""Step → the settings that it uses."""


def step(site: Site, name: str) -> str:
    """Return the command of a step, with the settings that it uses; one that is left out is empty."""
    values = settings(site)
    given = [f"{key}={values[key]}" for key in SETTINGS[name] if values[key]]
    return shlex.join([PROGRAM, name, *given])


def restart(site: Site) -> str:
    """Return the command that restarts ufmd and waits until UFM runs again (O6)."""
    return step(site, "restart")


def settings(site: Site) -> dict[str, str]:
    """Return every setting of the steps, empty if the configuration has none."""
    host = site.ufm.host
    assert host, "ufm.host is left out, so there are no steps on UFM's host"
    docker, ofed = host.install.docker, host.install.mlnx_ofed
    return {
        "ADDRESS": str(site.ufm.address),
        "ARCHIVE": host.image_archive or "",
        "CHECKSUM": ofed.sha256 if ofed else "",
        "FABRIC": host.fabric_interface,
        "FABRIC_ADDRESS": str(host.fabric_address),
        "FILES": host.files_dir.rstrip("/"),
        "GUID": host.guid,
        "IMAGE": host.image,
        "INSTALLER": host.installer_image or "",
        "LATER": "",
        "LICENSES": host.license_dir.rstrip("/"),
        "LIMIT": str(START_SECONDS),
        "MANAGEMENT": host.management_interface,
        "NAME": site.ufm.server_name or "",
        "OFED": ofed.package if ofed else "",
        "OPTIONS": " ".join(ofed.options) if ofed else "",
        "PACKAGES": " ".join(docker.all_packages) if docker else "",
        "PORT": str(site.ufm.port),
        "REPOSITORY": (docker.repository or "") if docker else "",
    }


class UfmHost(Component):
    """UFM, installed or existing, with its own password and an API token."""

    TYPE = "rack:fabric:UfmHost"

    url: pulumi.Output[str]
    version: pulumi.Output[str]
    """UFM's release, e.g. `6.19.1-5`."""
    api: Provider
    """UFM's REST API, for `providers=` of the components with resources at UFM (U7)."""
    token: pulumi.Output[str]
    """Access token for Neutron's driver; secret."""
    ca: str | pulumi.Output[str] | None
    """Certificate authority of UFM's certificate, PEM; None: the system's. Unknown until UFM is installed."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        operator: Operator,
        ownership: Ownership,
        license_text: pulumi.Input[str] | None,
        password: pulumi.Input[str],
        previous_password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Install UFM where `ufm.host` is configured; set the password and create the token.

        `ownership` claims UFM's host before its first change, and the PKeys as soon as UFM can be asked.

        Raises:
            RunError: UFM is to be installed and `license_text` is missing.
        """
        super().__init__(name, opts)
        self._site = plan.site
        ufm = plan.site.ufm
        at = operator.host(ufm.ssh_address) if ufm.host else None
        if at:
            ownership.claim_hosts()
        installed = self._install(at, license_text, ownership.claims) if at else None
        self.ca = plan.ufm_ca
        if ufm.fingerprint and self.ca is None:  # A preview while UFM does not answer
            self.ca = _unknown()
        if at and installed and ufm.certificate_from_host:
            self.ca = self._step(at, "certificate", after=[installed]).stdout.apply(_certificate)
        self.api = self._rest_api(password, previous_password)
        done = [installed] if installed else []
        admin = AdminPassword(f"{name}-admin", generation=ufm.password_generation, opts=self._at_ufm(*done))
        owned = ownership.claim_pkeys(f"{name}-owner", self._at_ufm(admin))
        if not at:
            ownership.claim_hosts(owned)
        token = AccessToken(f"{name}-token", generation=ufm.token_generation, opts=self._at_ufm(owned))
        self.url = pulumi.Output.from_input(ufm.url)
        self.version = _last_line(installed.stdout) if installed else admin.version
        self.token = token.token
        self.ready: list[pulumi.Resource] = [admin]
        """Resources that users of UFM's API depend on."""
        self.register_outputs({"url": self.url, "version": self.version})

    def _at_ufm(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return self._child(*after, provider=self.api)

    def _rest_api(self, password: pulumi.Input[str], previous_password: pulumi.Input[str] | None) -> Provider:
        """Return the provider. A certificate that was read on UFM's host is trusted alone, whatever its names."""
        ufm = self._site.ufm
        pin = ufm.fingerprint or (self.ca.apply(_fingerprint) if isinstance(self.ca, pulumi.Output) else None)
        return Provider(
            "ufm-api",
            address=str(ufm.address),
            port=ufm.port,
            user=ufm.user,
            password=password,
            previous_password=previous_password,
            ca_file=str(ufm.ca_file) if ufm.ca_file else None,
            server_name=None if pin else ufm.server_name,
            fingerprint=pin,
            insecure=ufm.insecure,
        )

    def _install(
        self, at: SshHost, license_text: pulumi.Input[str] | None, claims: Sequence[pulumi.Resource]
    ) -> remote.Command:
        if license_text is None:
            raise pulumi.RunError("UFM's licence is missing: pulumi config set --secret ufmLicense < LICENCE-FILE")
        text = shipping.shell_program("ufm")
        program = at.file(f"{self._name}-program", PROGRAM, text, mode="0755", opts=self._child(*claims))
        checked = self._step(at, "prerequisites", after=self._software(at, program) or [program])
        folders = self._step(at, "folders", delete=step(self._site, "remove"), after=[checked])
        address = self._step(at, "address", name="fabric-address", after=[folders])
        license_file = self._step(
            at,
            "license",
            stdin=license_text,
            delete=shlex.join(["rm", "-f", f"{settings(self._site)['LICENSES']}/{LICENSE_FILE}"]),
            after=[folders],
        )
        return self._step(at, "install", after=[address, license_file], protect=self._site.protect)

    def _software(self, at: SshHost, program: remote.Command) -> list[pulumi.Resource]:
        """Return the steps that install what the configuration asks for (U1). Destroy leaves it on the host."""
        assert self._site.ufm.host
        wanted = self._site.ufm.host.install
        steps: list[pulumi.Resource] = []
        if wanted.docker:
            file = wanted.docker.key_file
            key = local.read("ufm.host.install.docker.keyFile", file) if file else ""
            steps.append(self._step(at, "docker", stdin=key, after=[program]))
        if wanted.mlnx_ofed:
            steps.append(self._step(at, "ofed", after=[program]))
        return steps

    def _step(
        self,
        at: SshHost,
        verb: str,
        *,
        name: str = "",
        stdin: pulumi.Input[str] | None = None,
        delete: str | None = None,
        after: Sequence[pulumi.Resource] = (),
        protect: bool = False,
    ) -> remote.Command:
        return at.run(
            f"{self._name}-{name or verb}",
            step(self._site, verb),
            stdin=stdin,
            delete=delete,
            quiet=stdin is not None,
            opts=self._child(*after, protect=protect),
        )


def _certificate(text: str) -> str:
    """Return the certificate at the end of a step's output."""
    return text[text.index("-----BEGIN CERTIFICATE-----") :].strip() + "\n"


def _unknown() -> pulumi.Output[str]:
    return pulumi.Output.from_input("").apply(lambda _: cast(str, UNKNOWN), run_with_unknowns=True)


def _fingerprint(certificate: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()


def _last_line(text: pulumi.Output[str]) -> pulumi.Output[str]:
    return text.apply(lambda lines: lines.strip().rpartition("\n")[2])
