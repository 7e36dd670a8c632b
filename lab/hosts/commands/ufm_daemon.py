"""UFM in its container (U6, O6): what ufmd does when the container starts, stops, is asked for its status or removed.

UFM's data lie in the files' folder on the host. A container may be replaced by another one (an upgrade), and the lab's
UFM keeps its state; once the folder is deleted, the state is deleted too.
"""

import re
import secrets

from lab.hosts.call import Call
from lab.hosts.commands.docker_images import full_name, repository_tag
from lab.hosts.kinds.ufm import UfmHost
from lab.hosts.outcomes import Refusal
from lab.hosts.state import Container, UfmData

UFM_UNIT = "ufm-enterprise"
"""The systemd unit, and the last part of the image's name."""
INSIDE = "/opt/ufm/files"
"""Where the container has UFM's files."""
WEBCLIENT = "conf/webclient"
"""Where UFM's files may have the web server's certificate. Source: infra-controller, docs/playbooks/ib_runbook.md; that
it is used without client authentication too is inferred: `UfmState.own_certificate` is the other variant."""
RELEASE = re.compile(r"\d+\.\d+\.\d+-\d+")


def image_release(image: str) -> str | None:
    """Return the release that the image's tag names; None if the tag names none."""
    _, tag = repository_tag(full_name(image))
    return tag if RELEASE.fullmatch(tag) else None


def start(call: Call[UfmHost], container: Container) -> None:
    """Start ufmd. The first start on an empty folder creates UFM's data; a newer release migrates existing data.

    Raises:
        LabError: UFM's part of the lab refuses.
    """
    release, files = image_release(container.image), _files(container)
    container.pid, container.starting = _new_pid(), call.host.state.slow_starts
    container.ufmd = release not in call.host.state.broken_releases
    if not container.ufmd:
        _log(call, files, f"ERROR: {release}: migration of the database failed, giving up")
        return
    data, marker, ufm = call.host.state.ufm, call.path(f"{files}/ufm_version"), call.rack.backends.ufm
    ufm.certificate(_certificate(call, files))
    if data is None or not marker.exists():
        ufm.call("install", release)
    else:
        if release and release != data.release:
            ufm.call("upgrade", release)
        ufm.call("start")
    with call.host.change():
        call.host.state.ufm = UfmData(files, release)
    call.write(f"{files}/ufm_version", f"{release or 'unknown'}\n")
    _log(call, files, f"UFM {release or ''} started")


def stop(call: Call[UfmHost], container: Container) -> None:
    """Stop ufmd, and mark the unit whose container this is as inactive."""
    if container.ufmd:
        call.rack.backends.ufm.call("stop")
    if container.rm and UFM_UNIT in call.host.units:
        call.host.set_unit(UFM_UNIT, active=False)


def restart(call: Call[UfmHost], container: Container) -> None:
    """Restart ufmd."""
    call.rack.backends.ufm.certificate(_certificate(call, _files(container)))
    call.rack.backends.ufm.call("restart")
    container.pid = _new_pid()


def execute(call: Call[UfmHost], container: Container, words: list[str]) -> int:
    """Run a command in the container: only ufmd's init script exists."""
    if words[:1] not in (["/etc/init.d/ufmd"], ["ufmd"], ["service"]) or len(words) < 2:
        raise Refusal(f'OCI runtime exec failed: exec failed: "{" ".join(words)}": executable file not found', 126)
    if words[-1] == "status":
        return _status(call, container)
    if words[-1] not in ("restart", "start"):
        raise Refusal("Usage: /etc/init.d/ufmd {start|restart|status}", 2)
    if container.ufmd:
        with call.host.change():
            restart(call, container)
            container.starting = call.host.state.slow_starts
    call.progress("Stopping ufmd: [  OK  ]", "Starting ufmd: [  OK  ]")
    return 0


def _status(call: Call[UfmHost], container: Container) -> int:
    up = container.ufmd and not container.starting
    if container.starting:
        with call.host.change():
            container.starting -= 1
    call.out("ufmd status\n" + (f"ufmd (pid {container.pid}) is running..." if up else "ufmd is stopped"))
    return 0 if up else 3


def logs(call: Call[UfmHost], container: Container) -> list[str]:
    """Return the lines of UFM's log."""
    file = call.path(f"{_files(container)}/log/ufm.log")
    return file.read_text().splitlines() if file.exists() else []


def forget_deleted(call: Call[UfmHost]) -> None:
    """Delete the state of the lab's UFM if its folder was deleted and no container is left."""
    data = call.host.state.ufm
    if data and "ufm" not in call.host.state.containers and not call.path(f"{data.files}/ufm_version").exists():
        call.rack.backends.ufm.call("remove")
        with call.host.change():
            call.host.state.ufm = None


def _certificate(call: Call[UfmHost], files: str) -> str:
    """Return certificate and key that UFM's web server finds in its folder; empty if there are none."""
    folder = call.path(f"{files}/{WEBCLIENT}")
    parts = [folder / "server.crt", folder / "server.key"]
    if call.host.state.own_certificate or not all(part.exists() for part in parts):
        return ""
    return "".join(part.read_text() for part in parts)


def _new_pid() -> int:
    return 600 + secrets.randbelow(99)


def _files(container: Container) -> str:
    return next(source for source, target in container.mounts.items() if target == INSIDE)


def _log(call: Call[UfmHost], files: str, line: str) -> None:
    file = f"{files}/log/ufm.log"
    before = call.path(file).read_text() if call.path(file).exists() else ""
    call.write(file, f"{before}{line}\n")
