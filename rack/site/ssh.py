"""Configuration of the SSH connections to the hosts."""

from rack.site.model import Address, File, Model, TcpPort
from rack.site.names import User


class Proxy(Model):
    """Bastion through which the UFM host and the undercloud are reached. Its host key is in `ssh.knownHostsFile`."""

    address: Address
    """Address of the bastion."""
    port: TcpPort = 22
    """TCP port of its SSH server."""
    user: User
    """User on it."""
    private_key_file: File | None = None
    """Private key for it on the machine that runs pulumi. If omitted, `ssh.privateKeyFile` or the SSH agent."""


class Ssh(Model):
    """SSH connections to the hosts. Host keys are always verified.

    The machine that runs pulumi connects to the UFM host and the undercloud only. Overcloud nodes are reached from the
    undercloud, by its user stack.
    """

    user: User = "root"
    """User on the UFM host and the undercloud. Another user than root needs sudo without a password."""
    overcloud_user: User = "tripleo-admin"
    """User on the overcloud nodes, which `openstack overcloud deploy` creates for the undercloud's user stack."""
    port: TcpPort = 22
    """TCP port of SSH on the UFM host and the undercloud."""
    node_port: TcpPort = 22
    """TCP port of SSH on the overcloud nodes."""
    private_key_file: File | None = None
    """Private key on the machine that runs pulumi. If omitted, the keys of the SSH agent that `SSH_AUTH_SOCK` names are
    used. A key with a passphrase needs the secret `sshKeyPassphrase`, and an SSH agent where `images` are built."""
    known_hosts_file: File
    """File with the host keys of the UFM host, the undercloud and the bastion. The keys of overcloud nodes are read
    through the undercloud."""
    proxy: Proxy | None = None
    """If omitted, the UFM host and the undercloud are reached directly."""
