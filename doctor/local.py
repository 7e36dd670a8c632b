"""The operator's machine: files, keys, secrets, Pulumi and its plugins."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pulumi

from access.keys import encrypted
from access.known_hosts import known_host_key
from doctor.case import SECONDS, Case
from doctor.finding import Finding, error, ok, unknown, warning
from rack.site import SECRETS
from rack.site.files import paths

HERE = "this machine"
PLUGINS = ("command", "openstack")
FILE_STEPS = {"ufm.caFile": "U7", "ufm.host": "U1", "undercloud": "C3", "images": "G1", "tenant": "T5"}
"""Start of a key that names a file → the step that reads it."""


def check(case: Case) -> Iterator[Finding]:
    """Yield the findings on the operator's machine."""
    yield from files(case)
    yield from login(case)
    yield from host_keys(case)
    yield from secrets(case)
    yield from programs()


def files(case: Case) -> Iterator[Finding]:
    """Check that the files which the configuration names can be read."""
    for key, path in paths(case.site):
        step = next((step for start, step in FILE_STEPS.items() if key.startswith(start)), "")
        file = path.expanduser()
        if file.is_file() and os.access(file, os.R_OK):
            yield ok(HERE, f"{key}: {path} can be read", step)
        else:
            yield error(HERE, f"{key}: {path} is not a file that can be read", "create it, or correct the key", step)


def login(case: Case) -> Iterator[Finding]:
    """Check the private key's mode and the SSH agent."""
    key, agent = case.site.ssh.private_key_file, os.environ.get("SSH_AUTH_SOCK", "")
    if key and key.expanduser().is_file() and key.expanduser().stat().st_mode & 0o077:
        yield error(HERE, f"ssh.privateKeyFile: {key} may be read by others, so ssh ignores it", f"chmod 600 {key}")
    if agent and not _answers(agent):
        found = f"SSH_AUTH_SOCK is {agent}, where no SSH agent answers"
        yield error(HERE, found, "start one, or run: unset SSH_AUTH_SOCK")
    yield from _passphrase(case, agent)
    if not key and not agent:
        yield error(HERE, "ssh.privateKeyFile is not set, and SSH_AUTH_SOCK names no SSH agent", "set one of them")


def _passphrase(case: Case, agent: str) -> Iterator[Finding]:
    """Check that the passphrase of the private key is known to whatever uses the key."""
    key = case.site.ssh.private_key_file
    if not key or not key.expanduser().is_file() or not encrypted(key.expanduser().read_text(errors="replace")):
        return
    if "sshKeyPassphrase" not in case.configured:
        found = f"ssh.privateKeyFile: {key} has a passphrase, and the secret sshKeyPassphrase is missing"
        yield error(HERE, found, "pulumi config set --secret sshKeyPassphrase")
    if not agent and any(image.file is None for image in case.site.images):
        found = f"ssh.privateKeyFile: {key} has a passphrase, and SSH_AUTH_SOCK names no SSH agent"
        yield error(HERE, f"{found}; ssh fetches built images", f'eval "$(ssh-agent)"; ssh-add {key}', "G1")


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(path)
        except OSError:
            return False
    return True


def host_keys(case: Case) -> Iterator[Finding]:
    """Check that known_hosts has a usable key of each host that is entered."""
    site = case.site
    entered = {("undercloud", str(site.undercloud.ssh_address), site.ssh.port)}
    if site.ufm.host:
        entered.add(("UFM host", str(site.ufm.ssh_address), site.ssh.port))
    if site.builder:
        entered.add(("builder", str(site.builder.address), site.ssh.port))
    if site.ssh.proxy:
        entered.add(("bastion", str(site.ssh.proxy.address), site.ssh.proxy.port))
    try:
        text = site.ssh.known_hosts_file.expanduser().read_text(errors="replace")
    except OSError:
        return  # `files` has reported it.
    for name, address, port in sorted(entered):
        try:
            known_host_key(text, address, port)
        except pulumi.RunError as problem:
            found, _, fix = str(problem).partition("; ")
            yield error(f"{name} ({address})", found, " ".join(fix.split()))
        else:
            yield ok(f"{name} ({address})", "its host key is known")


def secrets(case: Case) -> Iterator[Finding]:
    """Check that the secrets are there which this site needs."""
    site = case.site
    needed = {
        "ufmPassword": "U7",
        "ufmLicense": "U4" if site.ufm.host else "",
        "ipmiPassword": "" if "ipmiPasswords" in case.configured else "C6",
        "registryPassword": "C3" if site.undercloud.registry.user else "",
    }
    for key, step in needed.items():
        if step and key not in case.configured:
            meaning = SECRETS[key].partition(":")[0].partition(".")[0]
            yield error(HERE, f"the secret {key} is missing ({meaning})", f"pulumi config set --secret {key}", step)
        elif step:
            yield ok(HERE, f"the secret {key} is there", step)
    if case.undecrypted:
        fix = "log in at the backend and set the stack's passphrase, so that logins are checked too"
        yield unknown(HERE, f"the secrets were not decrypted: {case.undecrypted}", fix)


def programs() -> Iterator[Finding]:
    """Check Pulumi's CLI and plugins."""
    pulumi_cli = shutil.which("pulumi")
    if pulumi_cli is None:
        yield error(
            HERE, "there is no program pulumi on the PATH", 'install it, or run: make engine; eval "$(make -s env)"'
        )
        return
    try:
        done = subprocess.run(
            [pulumi_cli, "plugin", "ls", "--json"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        installed = {plugin["name"]: plugin.get("version") for plugin in json.loads(done.stdout)}
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        yield warning(HERE, "pulumi plugin ls does not answer", "run it by hand")
        return
    for name in PLUGINS:
        if name in installed:
            yield ok(HERE, f"plugin {name} {installed[name]}")
        else:
            yield warning(HERE, f"the plugin {name} is not installed; pulumi downloads it", "or run: pulumi install")
