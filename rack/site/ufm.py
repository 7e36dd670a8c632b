"""Configuration of UFM's REST API and of the host that runs UFM (U1 to U8)."""

from ipaddress import IPv4Address, IPv4Interface

from pydantic import Field

from rack.site.model import Address, File, Model, TcpPort
from rack.site.names import (
    ContainerImage,
    DebianPackage,
    Fingerprint,
    Folder,
    Guid,
    HostFile,
    IbInterface,
    InstallerOption,
    Interface,
    OfedPackage,
    ServerName,
    Sha256,
    Url,
    User,
)


class DockerSpec(Model):
    """Docker, installed with apt-get if the UFM host has none, or another version than `packages` names (U1)."""

    repository: Url | None = None
    """URL of the packages' apt repository, like https://download.docker.com/linux/ubuntu. If omitted, the packages are
    in Ubuntu's own repositories."""
    key_file: File | None = None
    """Public key of `repository` (UFM006)."""
    packages: tuple[DebianPackage, ...] = ()
    """Packages, each also as NAME=VERSION. If omitted: docker-ce, docker-ce-cli and containerd.io with `repository`;
    docker.io without it."""

    @property
    def all_packages(self) -> tuple[str, ...]:
        """Return the packages, or the default ones of their source."""
        default = ("docker-ce", "docker-ce-cli", "containerd.io") if self.repository else ("docker.io",)
        return self.packages or default


class MlnxOfedSpec(Model):
    """MLNX_OFED, installed if the UFM host has none or another release (U1).

    NVIDIA's licence has to be accepted for the download, so the program chooses no package.
    """

    package: OfedPackage
    """Path of the package on the UFM host, or URL of a copy at the site. Its name contains release, distribution and
    architecture."""
    sha256: Sha256
    """SHA-256 checksum of the package."""
    options: tuple[InstallerOption, ...] = ()
    """Options for mlnxofedinstall, beside `--force` and `--without-fw-update`."""


class InstallSpec(Model):
    """Software that `up` installs on the UFM host (U1). `destroy` leaves it. If omitted, the host must have it."""

    docker: DockerSpec | None = None
    mlnx_ofed: MlnxOfedSpec | None = None


class UfmHostSpec(Model):
    """Host that runs UFM (U1 to U6). If omitted, an existing UFM is used through its REST API only."""

    management_address: Address | None = None
    """Address to which SSH connects. If omitted, `ufm.address`."""
    guid: Guid
    """GUID of the wired port."""
    fabric_interface: IbInterface = "ib0"
    """Interface on the fabric: ib0, the installer's default, or ib1 if that port is wired (U3)."""
    fabric_address: IPv4Interface = IPv4Interface("172.31.255.1/30")
    """Dummy address that the installer requires on the fabric interface (U3). Its network must not be in use
    (UFM002)."""
    management_interface: Interface = "eth0"
    """Interface on the provisioning network (U5)."""
    image: ContainerImage
    """UFM's image, pinned to a release or digest (U5, UFM001). To upgrade UFM, change it: docs/operations.md."""
    installer_image: ContainerImage | None = None
    """Image of the guide's separate installer, pinned too (U5). If omitted, `image` installs itself, as in NVIDIA's
    current releases."""
    image_archive: HostFile | None = None
    """Path on the UFM host of a `docker save` archive with the images above. They are loaded from it instead of pulled
    (U5)."""
    install: InstallSpec = InstallSpec()
    files_dir: Folder = "/var/ufm_files"
    """Folder on the host for UFM's configuration. Upgrades keep it (U4)."""
    license_dir: Folder = "/home/ubuntu/UFM_lic"
    """Folder on the host for the licence and nothing else (U4)."""

    @property
    def images(self) -> tuple[str, ...]:
        """Return the images that the host needs: UFM's, and the installer's if it is separate."""
        return (self.image, self.installer_image) if self.installer_image else (self.image,)


class UfmSpec(Model):
    """UFM's REST API, and the host that runs UFM."""

    address: Address
    """Address on the provisioning network, outside its ranges (D5)."""
    port: TcpPort = 443
    """TCP port of the REST API."""
    user: User = "admin"
    """User with the password `ufmPassword` (U7)."""
    ca_file: File | None = None
    """Certificate authority of UFM's certificate, or a self-signed certificate itself. If omitted and with `host`, the
    program makes the certificate. If omitted and without `host`, the system's authorities are trusted."""
    fingerprint: Fingerprint | None = None
    """SHA-256 fingerprint of an existing UFM's certificate, instead of `caFile`. Only this certificate is trusted."""
    server_name: ServerName | None = None
    """Name in UFM's certificate, if the certificate does not contain `address`. With `host` and without `caFile`, UFM
    keeps the certificate of its installation, which must have this name."""
    insecure: bool = False
    """Whether UFM's certificate is left unverified. Write true for a trial only, never with a production password."""
    token_generation: int = Field(default=1, ge=1, le=10**6)
    """Number to increase to rotate the API access token (U8)."""
    password_generation: int = Field(default=1, ge=1, le=10**6)
    """Number to increase when `ufmPassword` changes, with the old password in `ufmPreviousPassword` (U7)."""
    adopt_pkeys: bool = False
    """Whether to adopt existing control PKeys that differ from the configuration. Members that are not declared are
    removed from them (I3)."""
    host: UfmHostSpec | None = None

    @property
    def ssh_address(self) -> IPv4Address:
        """Return the address of UFM's host to which SSH connects."""
        return (self.host and self.host.management_address) or self.address

    @property
    def certificate_from_host(self) -> bool:
        """Return whether UFM's certificate is read on its host, over SSH, after the installation."""
        return bool(self.host) and not (self.ca_file or self.fingerprint or self.insecure)

    @property
    def url(self) -> str:
        """Return the base URL of the REST API, with the port if it is not 443."""
        return f"https://{self.address}" + ("" if self.port == 443 else f":{self.port}")
