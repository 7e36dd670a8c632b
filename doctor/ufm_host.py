"""UFM's host: what `up` requires of it, disk space, licence."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.ufm_host import LICENSE_FILE, settings
from doctor import owner
from doctor.answers import Answers, not_entered
from doctor.case import Case
from doctor.finding import Finding, error, ok, unknown, warning
from doctor.ssh import ProbedHost, SshError
from onhost.questions import Question, ShellQuestion

DOCKER_DIR = "/var/lib/docker"
ROOM_GIB, LEAST_GIB = 20, 5
"""Free space of UFM's host. Sources: docker pull of its image; NVIDIA: "Storage Considerations" (1 GB per month and 16
nodes)."""
ABSENT = "absent"
RUNNING = f"""\
docker container inspect ufm >/dev/null 2>&1 || [ -e /etc/systemd/system/ufm-enterprise.service ] ||
  {{ echo {ABSENT}; exit; }}
docker exec ufm /etc/init.d/ufmd status 2>&1 | tail -n 1
"""
"""Prints ufmd's status, or that UFM is not installed yet."""
SCRIPTS = Path(__file__).resolve().parent.parent / "onhost/ufm"


def check(case: Case) -> Iterator[Finding]:
    """Yield the findings on UFM's host: those of the program's own first step, which changes nothing."""
    spec = case.site.ufm.host
    if spec is None:
        return
    host = ProbedHost("UFM host", str(case.site.ufm.ssh_address), case.site.ssh)
    later = [step for step, wanted in (("docker", spec.install.docker), ("ofed", spec.install.mlnx_ofed)) if wanted]
    values = {**settings(case.site), "LATER": " ".join(later)}
    given = "\n".join(f"{key}={shlex.quote(value)}" for key, value in values.items())
    script = "\n".join([given, *((SCRIPTS / name).read_text() for name in ("common.sh", "prerequisites.sh"))])
    try:
        asked = [
            owner.QUESTION,
            ShellQuestion("prerequisites", script),
            ShellQuestion("ufm", RUNNING),
            *_room(case),
            *_licence(case),
        ]
        answers = host.probe(asked)
    except SshError as problem:
        yield not_entered(host, problem, "U1")
        return
    yield ok(str(host), f"SSH as {host.ssh.user}", "U1")
    yield from owner.findings(case, str(host), answers["owner"])
    faults = answers["prerequisites"]
    lines = [line.removeprefix("UFM host: ") for line in faults["text"].splitlines()]
    if faults["ok"]:
        yield ok(str(host), "it is fit for UFM", "U1")
    for line in () if faults["ok"] else lines:
        if not line.startswith("faults found"):
            text, _, step = line.rstrip(")").rpartition(" (")
            found, _, fix = text.partition("; ")
            yield error(str(host), found, fix, step)
    yield from _about_ufm(str(host), answers["ufm"])
    yield from _about_room(str(host), answers)
    yield from _about_licence(case, str(host), answers)


def _about_ufm(where: str, answer: Mapping[str, Any]) -> Iterator[Finding]:
    if "is running" in answer["text"]:
        yield ok(where, "ufmd runs", "U6")
    elif answer["text"] != ABSENT:
        fix = "run: systemctl start ufm-enterprise, or docker start ufm; its words: docker logs ufm"
        yield error(where, f"UFM is installed on its host, and does not run: {answer['text']}", fix, "U6")


def _room(case: Case) -> list[Question]:
    """Ask for the file systems of UFM's files and of Docker's images. A folder that is missing is in its parent's."""
    script = 'd={}; while [ ! -e "$d" ]; do d=$(dirname "$d"); done; df -P -k "$d" | tail -n 1'
    spec = case.site.ufm.host
    assert spec
    return [ShellQuestion(f"room {name}", script.format(name)) for name in (spec.files_dir, DOCKER_DIR)]


def _about_room(where: str, answers: Answers) -> Iterator[Finding]:
    """Judge the free space: images have several gigabytes, and an upgrade keeps UFM's files twice."""
    for name, answer in answers.items():
        if not name.startswith("room "):
            continue
        fields, folder = answer["text"].split(), name.removeprefix("room ")
        free = int(fields[3]) // 2**20 if len(fields) > 3 and fields[3].isdigit() else -1
        fix = f"free or enlarge the file system of {folder}"
        if free < 0:
            yield unknown(where, f"the free space of {folder} is unknown: {answer['text']}", "run df by hand", "U5")
        elif free < LEAST_GIB:
            yield error(where, f"{folder} has {free} GiB of free space, too few for UFM's images", fix, "U5")
        elif free < ROOM_GIB:
            yield warning(where, f"{folder} has {free} GiB of free space; UFM's data grow", fix, "U5")
        else:
            yield ok(where, f"{folder} has {free} GiB of free space", "U5")


def _licence(case: Case) -> list[Question]:
    """Ask for checksums of the licences that `up` has placed and that UFM uses, and for UFM's own words on it."""
    spec = case.site.ufm.host
    assert spec
    files = [f"{folder.rstrip('/')}/{LICENSE_FILE}" for folder in (spec.license_dir, f"{spec.files_dir}/licenses")]
    log = f"{spec.files_dir.rstrip('/')}/log/ufm.log"
    complaint = "licen[cs]e.*(expir|invalid|not valid|missing|exceed)"
    return [
        *(ShellQuestion(f"licence {i}", f"sha256sum {file}") for i, file in enumerate(files)),
        ShellQuestion(
            "licence log", f"tail -n 2000 {log} | grep -iE {shlex.quote(complaint)} | tail -n 1 | cut -c -300"
        ),
    ]


def _about_licence(case: Case, where: str, answers: Answers) -> Iterator[Finding]:
    """Compare the licence on the host with the secret. Its own content is not documented."""
    placed, used = (answers[f"licence {i}"] for i in range(2))
    wanted = case.secrets.get("ufmLicense")
    if wanted is not None and not str(wanted).strip():
        fix = "pulumi config set --secret ufmLicense < LICENCE-FILE"
        yield error("this machine", "the secret ufmLicense is empty", fix, "U4")
    elif used["ok"] and wanted is None:
        yield unknown(where, "UFM has a licence; it was not compared", "see the finding on the secrets", "U4")
    elif used["ok"]:
        checksum = hashlib.sha256(str(wanted).encode()).hexdigest()
        if {answer["text"].partition(" ")[0] for answer in (placed, used) if answer["ok"]} == {checksum}:
            yield ok(where, "UFM has the licence of the secret ufmLicense", "U4")
        else:
            yield warning(where, "UFM has another licence than the secret ufmLicense", "`pulumi up` renews it", "U4")
    if said := answers["licence log"]["text"].strip() if answers["licence log"]["ok"] else "":
        fix = "renew it: pulumi config set --secret ufmLicense < LICENCE-FILE, pulumi up"
        yield error(where, f"UFM's log says of its licence: {said}", fix, "U4")
