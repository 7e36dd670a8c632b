"""Hosts over SSH: connections with pinned host keys, files with owner and mode, steps that can be undone.

What this module enforces:

- A host key is always checked. The keys of UFM's host and the undercloud come from the operator's known_hosts file; the
  keys of overcloud nodes exist only after deployment and are read through the undercloud on the provisioning network.
- Overcloud nodes accept only the key of the undercloud's user stack, so each step on a node is run by that user.
- Every step runs as root: directly, or by `sudo -n` where `ssh.user` is another user.
- A file travels by standard input and is put in place by `install`: it has its owner and mode from the start, previews
  show a diff of its content, and its content is on no command line and in no error text (pulumi-command #134, #260).
- A step of minutes or hours is a job (`onhost/undercloud/job.py`): it continues when the connection breaks or pulumi
  ends, and the next `up` joins it.
- A step's `create` is idempotent and runs again as its `update`; `delete` undoes it. `triggers` are not used: with
  them, pulumi-command would run `delete` before a change, which may delete the cloud.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
from pulumi_command import remote

from access.keys import agent_hooks, check_agent, encrypted
from access.known_hosts import HostKeyError, known_host_key
from access.reach import Reach
from access.repair import Repairs
from onhost import shipping
from rack.site import Site, Ssh

DIALS = 10
"""Dial attempts, pulumi-command's default: about ten seconds and the connection's own timeouts.

pulumi-command retries a wrong host key or a rejected login like a host that is not up yet, and reports the reason only
at the end (docs/command-plugin.md). Every reboot is waited for by the step that causes it, so few attempts are enough.
"""

HIDDEN = pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
"""For steps with a secret on standard input: pulumi-command does not make their output secret."""

RUNNER = "/opt/rack-job"
"""Path of the job runner on a host."""


@dataclass(frozen=True)
class Operator:
    """The operator's private keys and known host keys."""

    ssh: Ssh
    private_key: pulumi.Output[str] | None
    """None: the keys of the SSH agent, which pulumi-command finds by SSH_AUTH_SOCK."""
    known_hosts: str
    passphrase: pulumi.Output[str] | None = None
    """Passphrase of the private key."""
    proxy_key: pulumi.Output[str] | None = None
    """Private key for the bastion, if it has its own."""
    fetch_hooks: pulumi.ResourceHookBinding | None = None
    """For steps whose program `ssh` uses the private key on the machine that runs pulumi, and for steps before them."""
    repairs: Repairs = field(default_factory=Repairs)
    """Which steps run again."""
    _reached: dict[str, Reach] = field(default_factory=dict)
    """By address of the host."""

    @classmethod
    def load(
        cls, site: Site, passphrase: pulumi.Output[str] | None = None, repairs: Repairs | None = None
    ) -> "Operator":
        """Read keys and known_hosts from the machine that runs pulumi. `passphrase`: of the private key, if it has one.

        Raises:
            HostKeyError: a file can't be read.
            RunError: the SSH agent that SSH_AUTH_SOCK names does not answer: every connection would fail; or a key
                needs a passphrase that is not configured.
        """
        agent = os.environ.get("SSH_AUTH_SOCK", "")
        check_agent(agent)

        def read(key: str, path: Path) -> str:
            try:
                return path.expanduser().read_text(errors="replace")  # A comment may be in any encoding.
            except OSError as error:
                raise HostKeyError(f"ssh.{key}: can't read {path}: {error.strerror}") from None

        ssh, proxy = site.ssh, site.ssh.proxy
        key = read("privateKeyFile", ssh.private_key_file) if ssh.private_key_file else None
        if not key and not agent:
            raise pulumi.RunError("ssh.privateKeyFile is not set, and SSH_AUTH_SOCK names no SSH agent; set one")
        if key and encrypted(key) and passphrase is None:
            raise pulumi.RunError(
                f"ssh.privateKeyFile: {ssh.private_key_file} has a passphrase; run: "
                "pulumi config set --secret sshKeyPassphrase; or omit the key and load it into an SSH agent"
            )
        own = proxy.private_key_file if proxy else None
        proxy_key = read("proxy.privateKeyFile", own) if own else None
        if proxy_key and encrypted(proxy_key):
            raise pulumi.RunError(f"ssh.proxy.privateKeyFile: {own} has a passphrase; use a key without one")
        return cls(
            ssh,
            pulumi.Output.secret(key) if key else None,
            read("knownHostsFile", ssh.known_hosts_file),
            passphrase,
            pulumi.Output.secret(proxy_key) if proxy_key else None,
            agent_hooks(str(ssh.private_key_file), bool(key and encrypted(key) and not agent)),
            repairs or Repairs(),
        )

    def host(self, address: object) -> "SshHost":
        """Return a host whose key is in the operator's known_hosts file.

        Raises:
            HostKeyError: the file has no key for it.
        """
        connection = remote.ConnectionArgs(
            host=str(address),
            port=float(self.ssh.port),
            user=self.ssh.user,
            private_key=self.private_key,
            private_key_password=self.passphrase,
            host_key=known_host_key(self.known_hosts, str(address), self.ssh.port),
            dial_error_limit=DIALS,
            proxy=self._proxy(),
        )
        return SshHost(str(address), connection, self.ssh.user, self._reach(str(address)).hooks, self.repairs)

    def _reach(self, address: str) -> Reach:
        """Return what awaits a host's SSH server: one per host, because the engine knows a hook by its name."""
        if address not in self._reached:
            proxy = self.ssh.proxy
            there = (str(proxy.address), proxy.port, address) if proxy else (address, self.ssh.port)
            self._reached[address] = Reach(*there)
        return self._reached[address]

    def _proxy(self) -> remote.ProxyConnectionArgs | None:
        proxy = self.ssh.proxy
        if proxy is None:
            return None
        return remote.ProxyConnectionArgs(
            host=str(proxy.address),
            port=float(proxy.port),
            user=proxy.user,
            private_key=self.proxy_key or self.private_key,
            private_key_password=None if self.proxy_key else self.passphrase,
            host_key=known_host_key(self.known_hosts, str(proxy.address), proxy.port),
            dial_error_limit=DIALS,
        )


@dataclass(frozen=True)
class SshHost:
    """A host and its connection."""

    address: str
    connection: remote.ConnectionArgs
    user: str = "root"
    """User of the connection."""
    hooks: pulumi.ResourceHookBinding | None = None
    """They await its SSH server before each step."""
    repairs: Repairs = field(default_factory=Repairs)
    """Which steps run again."""

    def run(
        self,
        name: str,
        create: pulumi.Input[str],
        *,
        delete: pulumi.Input[str] | None = None,
        stdin: pulumi.Input[str] | None = None,
        quiet: bool = False,
        logging: remote.Logging = remote.Logging.NONE,
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Register a step. `create` runs again when its text or its standard input changes.

        Nothing is logged by default: a logged line of more than 64 KiB would hang pulumi-command forever, and the error
        of a failed step contains all its output anyway (docs/command-plugin.md).

        Args:
            name: the resource's name.
            create: a shell script, idempotent.
            delete: undoes it.
            stdin: standard input of `create`.
            quiet: its input or output contains a secret, so both output streams are secret.
            logging: which output streams are logged while the step runs.
            opts: the resource's options.
        """
        mark = self.repairs.line(name)
        command = pulumi.Output.concat(mark, create) if mark else create
        return self._register(name, command, delete, stdin, quiet=quiet, logging=logging, opts=opts)

    def _register(
        self,
        name: str,
        create: pulumi.Input[str],
        delete: pulumi.Input[str] | None,
        stdin: pulumi.Input[str] | None,
        *,
        quiet: bool,
        logging: remote.Logging,
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        return remote.Command(
            name,
            connection=self.connection,
            create=self._privileged(create),
            update=self._privileged(create),
            delete=None if delete is None else self._privileged(delete),
            stdin=stdin,
            add_previous_output_in_env=False,
            logging=logging,
            opts=pulumi.ResourceOptions.merge(
                pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(hooks=self.hooks)), HIDDEN if quiet else None
            ),
        )

    def _privileged(self, command: pulumi.Input[str]) -> pulumi.Input[str]:
        """Return a command that runs as root. Nothing changes for the user root."""
        if self.user == "root":
            return command
        return pulumi.Output.from_input(command).apply(lambda text: f"sudo -n sh -c {shlex.quote(text)}")

    def runner(self, name: str, *, opts: pulumi.ResourceOptions) -> remote.Command:
        """Install the job runner. Its removal is refused while a job runs, and removes the logs of all jobs."""
        return self.run(
            name,
            f"install -T -m 0755 /dev/stdin {RUNNER}",
            delete=script(f"{RUNNER} forget", f"rm -f {RUNNER}"),
            stdin=shipping.program("undercloud.job"),
            opts=opts,
        )

    def job(
        self,
        name: str,
        command: pulumi.Input[str],
        *,
        delete: str,
        stdin: pulumi.Input[str] | None = None,
        quiet: bool = False,
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Register a step of minutes or hours on a host that has a `runner`. It runs once per command and input.

        Args:
            name: the name of resource and job.
            command: one simple command, as `as_stack` makes it. Its standard error is shown while it runs, in lines
                that the runner keeps short; its standard output is its result.
            delete: undoes it.
            stdin: its standard input.
            quiet: as for `run`.
            opts: the resource's options.
        """
        return self._register(
            name,
            pulumi.Output.concat(f"{RUNNER} run {name} {self.repairs.words(name)}", command),
            script(f"{RUNNER} forget {name}", delete),
            stdin,
            quiet=quiet,
            logging=remote.Logging.STDERR,
            # The replacement has the same job name: it would find the old run complete, and the later delete would undo
            # its effect.
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(delete_before_replace=True)),
        )

    def file(
        self,
        name: str,
        path: str,
        content: pulumi.Input[str],
        *,
        owner: str = "root",
        mode: str = "0644",
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Register a file. It is replaced as a whole and removed on destroy. A directory at its path is an error."""
        where = shlex.quote(path)
        return self.run(
            name,
            f"install -D -T -o {owner} -g {owner} -m {mode} /dev/stdin {where}",
            delete=f"rm -f {where}",
            stdin=content,
            quiet=True,
            opts=opts,
        )


def script(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a POSIX shell script that stops at the first error or unset variable."""
    exports = [f"export {key}={shlex.quote(value)}" for key, value in (environment or {}).items()]
    return "\n".join(["set -eu", *exports, *lines])


def as_stack(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a command that runs the script as the undercloud's user stack in its home, like `su - stack` (C3, C5).

    It does not use `sudo -i`, which escapes newlines, so that the login shell joins the lines.
    """
    return f"sudo -Hu stack sh -c {shlex.quote(script('cd', *lines, environment=environment))}"
