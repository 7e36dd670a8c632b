"""Configuration of the SSH connections to the hosts."""

from rack.site.model import File, Model, TcpPort
from rack.site.names import User


class Ssh(Model):
    """SSH connections to the hosts. Host keys are always verified."""

    user: User = "root"
    """User on the UFM host and the undercloud."""
    overcloud_user: User | None = None
    """User on the overcloud nodes. If omitted, the one that the deployment creates: heat-admin with RDO's Wallaby,
    tripleo-admin with Red Hat's 17.1."""
    port: TcpPort = 22
    """TCP port of SSH on every host."""
    private_key_file: File
    """Private key on the machine that runs pulumi. The public key is beside it, in FILE.pub."""
    known_hosts_file: File
    """File with the host keys of the UFM host and the undercloud. The keys of overcloud nodes are read through the
    undercloud."""
