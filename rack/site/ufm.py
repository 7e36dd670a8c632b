"""UFM: its REST API, and the host that runs it (U1 to U8)."""

from ipaddress import IPv4Interface

from pydantic import Field

from rack.site.model import Address, File, Model, TcpPort
from rack.site.names import ContainerImage, Folder, Guid, HostFile, IbInterface, Interface, User


class UfmHostSpec(Model):
    """The node that runs UFM (U1 to U6). Left out: UFM runs already; its host is not entered, its REST API is used."""

    guid: Guid
    """Port GUID of the wired port."""
    fabric_interface: IbInterface = "ib0"
    """The interface on the fabric; ib0 is the installer's default, ib1 where that is the wired one (U3)."""
    fabric_address: IPv4Interface = IPv4Interface("172.31.255.1/30")
    """The dummy address that the installer wants on the fabric interface (U3); of no network that is in use."""
    management_interface: Interface = "eth0"
    """The interface on the provisioning network (U5)."""
    image: ContainerImage
    """UFM itself, pinned to a release or digest (U5, UFM001). Another one here is an upgrade: docs/operations.md."""
    installer_image: ContainerImage | None = None
    """The guide's separate installer, pinned too (U5). Left out: `image` installs itself, as NVIDIA has it now."""
    image_archive: HostFile | None = None
    """A `docker save` of the images above, a file on the UFM host: nothing is pulled then, no Internet needed (U5)."""
    files_dir: Folder = "/var/ufm_files"
    """UFM's configuration on the host, kept by upgrades (U4)."""
    license_dir: Folder = "/home/ubuntu/UFM_lic"
    """Where the licence is placed, with nothing else in it (U4)."""

    @property
    def images(self) -> tuple[str, ...]:
        """What must be on the host: UFM, and its installer where that is an image of its own."""
        return (self.image, self.installer_image) if self.installer_image else (self.image,)


class UfmSpec(Model):
    """UFM's REST API, and the node it runs on where that is ours."""

    address: Address
    """On the provisioning network, outside of its ranges (D5)."""
    port: TcpPort = 443
    """Of the REST API."""
    user: User = "admin"
    """Whose password `ufmPassword` is (U7)."""
    ca_file: File | None = None
    """The authority of UFM's certificate; the system's where left out."""
    insecure: bool = False
    """Do not verify UFM's certificate: for a first look, never with a password that matters."""
    token_generation: int = Field(default=1, ge=1)
    """Raise it to rotate the API access token (U8)."""
    password_generation: int = Field(default=1, ge=1)
    """Raise it when ufmPassword changes, with the old one in ufmPreviousPassword (U7)."""
    adopt_pkeys: bool = False
    """Take over control PKeys that are there and differ; members that are not declared lose them (I3)."""
    host: UfmHostSpec | None = None

    @property
    def url(self) -> str:
        return f"https://{self.address}" + ("" if self.port == 443 else f":{self.port}")
