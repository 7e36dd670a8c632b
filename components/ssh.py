"""Hosts over SSH: connections with pinned host keys, files with owner and mode, steps that can be undone.

What this module enforces:

- A host key is always checked. The keys of UFM's host and the undercloud come from the operator's known_hosts file; the
  keys of overcloud nodes exist only after deployment and are read through the undercloud on the provisioning network.
- A file travels by standard input and is put in place by `install`: it has its owner and mode from the start, previews
  show a diff of its content, and its content is on no command line and in no error text (pulumi-command #134, #260).
- A step of minutes or hours is a job (`onhost/undercloud/job.py`): it continues when the connection breaks or pulumi
  ends, and the next `up` joins it.
- A step's `create` is idempotent and runs again as its `update`; `delete` undoes it. `triggers` are not used: with
  them, pulumi-command would run `delete` before a change, which may delete the cloud.
"""

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.known_hosts import HostKeyError, known_host_key
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
    """The operator's private key and known host keys."""

    ssh: Ssh
    overcloud_user: str
    private_key: pulumi.Output[str]
    known_hosts: str

    @classmethod
    def load(cls, site: Site) -> "Operator":
        """Read key and known_hosts from the machine that runs pulumi.

        Raises:
            HostKeyError: a file can't be read.
            RunError: the SSH agent that SSH_AUTH_SOCK names does not answer: every connection would fail.
        """
        check_agent(os.environ.get("SSH_AUTH_SOCK", ""))

        def read(key: str, path: Path) -> str:
            try:
                return path.expanduser().read_text()
            except OSError as error:
                raise HostKeyError(f"ssh.{key}: can't read {path}: {error.strerror}") from None

        ssh = site.ssh
        return cls(
            ssh,
            site.overcloud_user,
            pulumi.Output.secret(read("privateKeyFile", ssh.private_key_file)),
            read("knownHostsFile", ssh.known_hosts_file),
        )

    def host(self, address: object) -> "Host":
        """Return a host whose key is in the operator's known_hosts file.

        Raises:
            HostKeyError: the file has no key for it.
        """
        key = known_host_key(self.known_hosts, str(address), self.ssh.port)
        return Host(str(address), self._connection(str(address), self.ssh.user, key))

    def node(self, address: object, host_keys: pulumi.Input[str]) -> "Host":
        """Return an overcloud node. `host_keys`: its key as a line of known_hosts, as read on the undercloud."""
        port = self.ssh.port
        key = pulumi.Output.from_input(host_keys).apply(lambda text: known_host_key(text, str(address), port))
        return Host(str(address), self._connection(str(address), self.overcloud_user, key))

    def _connection(self, address: str, user: str, host_key: pulumi.Input[str]) -> remote.ConnectionArgs:
        return remote.ConnectionArgs(
            host=address,
            port=float(self.ssh.port),
            user=user,
            private_key=self.private_key,
            host_key=host_key,
            dial_error_limit=DIALS,
        )


@dataclass(frozen=True)
class Host:
    """A host and its connection."""

    address: str
    connection: remote.ConnectionArgs

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
        return remote.Command(
            name,
            connection=self.connection,
            create=create,
            update=create,
            delete=delete,
            stdin=stdin,
            add_previous_output_in_env=False,
            logging=logging,
            opts=pulumi.ResourceOptions.merge(opts, HIDDEN if quiet else None),
        )

    def runner(self, name: str, *, opts: pulumi.ResourceOptions) -> remote.Command:
        """Install the job runner. Its removal is refused while a job runs, and removes the logs of all jobs."""
        return self.run(
            name,
            f"install -m 0755 /dev/stdin {RUNNER}",
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
        return self.run(
            name,
            pulumi.Output.concat(f"{RUNNER} run {name} ", command),
            delete=script(f"{RUNNER} forget {name}", delete),
            stdin=stdin,
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
        """Register a file. It is replaced as a whole and removed on destroy."""
        where = shlex.quote(path)
        return self.run(
            name,
            f"install -D -o {owner} -g {owner} -m {mode} /dev/stdin {where}",
            delete=f"rm -f {where}",
            stdin=content,
            quiet=True,
            opts=opts,
        )


def check_agent(path: str) -> None:
    """Fail if `path`, the value of SSH_AUTH_SOCK, names a socket without a listener.

    Raises:
        RunError: pulumi-command would fail every connection (docs/command-plugin.md, S2).
    """
    if not path:
        return
    with socket.socket(socket.AF_UNIX) as agent:
        try:
            agent.connect(path)
        except OSError as error:
            reason = f"SSH_AUTH_SOCK is {path}, where no SSH agent answers ({error.strerror})"
            raise pulumi.RunError(f"{reason}; start one, or run: unset SSH_AUTH_SOCK") from None


def script(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a POSIX shell script that stops at the first error or unset variable."""
    exports = [f"export {key}={shlex.quote(value)}" for key, value in (environment or {}).items()]
    return "\n".join(["set -eu", *exports, *lines])


def as_root(*lines: str) -> str:
    """Return a command that runs the script as root, for overcloud nodes: the login there is `ssh.overcloudUser`."""
    return f"sudo sh -c {shlex.quote(script(*lines))}"


def as_stack(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a command that runs the script as the undercloud's user stack in its home, like `su - stack` (C3, C5).

    It does not use `sudo -i`, which escapes newlines, so that the login shell joins the lines.
    """
    return f"sudo -Hu stack sh -c {shlex.quote(script('cd', *lines, environment=environment))}"
