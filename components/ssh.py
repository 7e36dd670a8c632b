"""Hosts over SSH: connections with pinned host keys, files with owner and mode, steps that can be undone.

What this module enforces:

- A host key is always checked. UFM's and the undercloud's come from the operator's known_hosts file; the overcloud
  nodes', which exist only after deployment, are read through the undercloud on the provisioning network.
- A file travels by stdin and is put in place by `install`: owner and mode from the first moment, a diff of its content
  in previews, nothing of it in a command line or an error text (pulumi-command #134, #260).
- A step of minutes or hours is a job: it goes on when the connection breaks or pulumi ends, and is joined by the next
  `up` (`job.py`, which is shipped).
- A step's `create` is idempotent and runs again as its `update`; `delete` undoes it. Nothing uses `triggers`: they
  would run `delete` before a change (pulumi-command's semantics), and here `delete` may take a cloud down.
"""

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.known_hosts import HostKeyError, known_host_key
from rack.site import Site, Ssh

DIALS = 10
"""Dial attempts, pulumi-command's default: about ten seconds and the connection's own time limits.

pulumi-command retries a wrong host key or a refused login like a host that is not up yet, and says why only at the end
(docs/command-plugin.md). No step follows a reboot that was not waited for, so few attempts are enough."""


HIDDEN = pulumi.ResourceOptions(additional_secret_outputs=["stdout", "stderr"])
"""For steps with a secret on standard input: pulumi-command does not conclude from it that the output is secret."""

RUNNER = "/opt/rack-job"
"""Where `job.py` is on a host."""


@dataclass(frozen=True)
class Operator:
    """Who connects: the user's private key and the host keys he knows."""

    ssh: Ssh
    overcloud_user: str
    private_key: pulumi.Output[str]
    known_hosts: str

    @classmethod
    def load(cls, site: Site) -> "Operator":
        """Reads key and known_hosts from the machine that runs pulumi.

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

    def known(self, address: object) -> "Host":
        """A host whose key the operator knows."""
        key = known_host_key(self.known_hosts, str(address), self.ssh.port)
        return Host(str(address), self._connection(str(address), self.ssh.user, key))

    def node(self, address: object, host_keys: pulumi.Input[str]) -> "Host":
        """An overcloud node; `host_keys` holds its key in known_hosts form, as read on the undercloud."""
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
    """One host and how to reach it."""

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
        """A step: `create` runs again on every change of it.

        It logs nothing by default: a logged line of more than 64 KiB would hang pulumi-command for good, and the error
        of a failed step holds all its output anyway (docs/command-plugin.md).

        Args:
            quiet: its input or output carries a secret: both output streams are secret, for pulumi-command does not
                infer that from a secret stdin.
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
        """The program behind `job`; its removal is refused while a job runs, and takes the jobs' logs along."""
        return self.run(
            name,
            f"install -m 0755 /dev/stdin {RUNNER}",
            delete=script(f"{RUNNER} forget", f"rm -f {RUNNER}"),
            stdin=files("onhost.undercloud").joinpath("job.py").read_text(),
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
        """A step of minutes or hours, on a host with a `runner`. It runs once for its command and input.

        Args:
            command: one simple command, as `as_stack` makes it. What it says on standard error is shown meanwhile,
                in lines that the runner keeps short; standard output is its result.
            quiet: as for `run`.
        """
        return self.run(
            name,
            pulumi.Output.concat(f"{RUNNER} run {name} ", command),
            delete=script(f"{RUNNER} forget {name}", delete),
            stdin=stdin,
            quiet=quiet,
            logging=remote.Logging.STDERR,
            # A new one is the same job: it would find the old one done, and then that one's effect deleted.
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
        """A file, put in place in one piece and removed on destroy."""
        where = shlex.quote(path)
        return remote.Command(
            name,
            connection=self.connection,
            create=f"install -D -o {owner} -g {owner} -m {mode} /dev/stdin {where}",
            update=f"install -D -o {owner} -g {owner} -m {mode} /dev/stdin {where}",
            delete=f"rm -f {where}",
            stdin=content,
            add_previous_output_in_env=False,
            logging=remote.Logging.NONE,
            opts=pulumi.ResourceOptions.merge(opts, HIDDEN),
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
    """A POSIX shell script that stops at the first error or unset variable."""
    exports = [f"export {key}={shlex.quote(value)}" for key, value in (environment or {}).items()]
    return "\n".join(["set -eu", *exports, *lines])


def as_root(*lines: str) -> str:
    """The script, run by root, for overcloud nodes: they are entered as `ssh.overcloudUser`."""
    return f"sudo sh -c {shlex.quote(script(*lines))}"


def as_stack(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """The script, run by the undercloud's user stack in its home, as the guide's `su - stack` (C3, C5).

    Not `sudo -i`: it escapes newlines, and the login shell then joins the lines.
    """
    return f"sudo -Hu stack sh -c {shlex.quote(script('cd', *lines, environment=environment))}"
