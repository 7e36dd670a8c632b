"""How the hosts are reached."""

from rack.site.model import File, Model, TcpPort
from rack.site.names import User


class Ssh(Model):
    """How the hosts are reached. Host keys are always verified."""

    user: User = "root"
    """On the UFM node and the undercloud."""
    overcloud_user: User | None = None
    """On the overcloud nodes. Left out: the one that the deployment makes, heat-admin with RDO's Wallaby, tripleo-admin
    with Red Hat's 17.1."""
    port: TcpPort = 22
    """Of every host."""
    private_key_file: File
    """Read on the machine that runs pulumi; its public half lies beside it as FILE.pub."""
    known_hosts_file: File
    """Holds the host keys of the UFM node and the undercloud. Overcloud nodes' keys are read through the undercloud."""
