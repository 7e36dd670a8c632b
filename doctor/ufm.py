"""UFM's REST API: address, certificate, login, release, other subnet managers."""

import hashlib
import socket
import ssl
from collections.abc import Iterator

import pulumi

from access.local import ufm_ca
from doctor.case import Case
from doctor.finding import Finding, error, ok, unknown, warning
from doctor.ssh import ProbedHost, SshError
from onhost.questions import ShellQuestion
from providers.ufm import Client, UfmError
from providers.ufm.errors import AuthenticationError, CertificateError
from rack.site.ufm import UfmSpec

STEP = "U7"
NOTES = "/var/lib/rack-ufm"
"""What `up` keeps on UFM's host (onhost/ufm/program.sh)."""
NAMES_RELEASE = (6, 14)
"""The guide's release."""
NO_MANAGER = ("noSM", "N/A", "None", "")
"""`sm_mode` of a system without a subnet manager."""


def check(case: Case) -> Iterator[Finding]:
    """Yield the findings on UFM's REST API."""
    ufm = case.site.ufm
    where = f"UFM ({ufm.address}:{ufm.port})"
    if ufm.insecure:
        yield warning(where, "its certificate is not verified (ufm.insecure)", "set ufm.caFile instead", STEP)
    if problem := _refused(ufm):
        if ufm.host:
            yield unknown(where, f"it does not answer ({problem})", "expected before the first `up` installs it", "U5")
        else:
            yield error(where, f"it does not answer ({problem})", "check ufm.address, ufm.port and firewalls", STEP)
        return
    if ufm.fingerprint and (problem := _unusable(ufm)):
        found, _, fix = problem.removeprefix("ufm.fingerprint: ").rpartition("; ")
        yield error(where, found, fix, "O3")
        return
    pinned = ""
    if ufm.certificate_from_host:
        pinned = _certificate(case)
        if not pinned:
            found = "it answers; its host has no certificate of this program, so its login was not checked"
            yield unknown(where, found, "expected before the first `up`; else see the findings on the UFM host", STEP)
            return
    password = case.secrets.get("ufmPassword")
    if not password:
        yield unknown(where, "it answers; its login was not checked", "see the finding on the secrets", STEP)
        return
    yield from _logged_in(case, _client(ufm, str(password), pinned), where)


def _refused(ufm: UfmSpec) -> str:
    """Return why no connection can be made; empty if one can."""
    try:
        socket.create_connection((str(ufm.address), ufm.port), 5).close()
    except OSError as problem:
        return problem.strerror or str(problem)
    return ""


def _unusable(ufm: UfmSpec) -> str:
    """Return why a pinned certificate is not UFM's, or useless for Neutron; empty if it is good."""
    try:
        ufm_ca(ufm)
    except pulumi.RunError as refused:
        return str(refused)
    return ""


def _certificate(case: Case) -> str:
    """Return the fingerprint of the certificate that `up` has left on UFM's host, read as `up` does; empty: none."""
    host = ProbedHost("UFM host", str(case.site.ufm.ssh_address), case.site.ssh)
    name = "served.crt" if case.site.ufm.server_name else "server.crt"
    try:
        answer = host.probe([ShellQuestion("certificate", f"cat {NOTES}/{name}")])["certificate"]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(answer["text"])).hexdigest() if answer["ok"] else ""
    except (SshError, ValueError):
        return ""  # `hosts` reports what is wrong with the connection.


def _client(ufm: UfmSpec, password: str, pinned: str) -> Client:
    return Client(
        str(ufm.address),
        ufm.user,
        password,
        port=ufm.port,
        ca_file=str(ufm.ca_file.expanduser()) if ufm.ca_file else None,
        server_name=None if pinned else ufm.server_name,
        fingerprint=pinned or ufm.fingerprint,
        insecure=ufm.insecure,
        timeout=(5, 15),
        pauses=(),
    )


def _logged_in(case: Case, client: Client, where: str) -> Iterator[Finding]:
    try:
        release = client.version()
        yield ok(where, f"release {release}; its certificate and the login of {client.user} are good", STEP)
        if client.release() < NAMES_RELEASE:
            yield warning(where, f"release {release} is older than the guide's 6.14", "upgrade UFM", "U5")
        yield from _managers(client, where)
        yield from _ports(case, client, where)
    except CertificateError as problem:
        yield error(where, _text(problem), "set ufm.caFile to the authority of UFM's certificate", STEP)
    except AuthenticationError as problem:
        if case.site.ufm.host:
            yield warning(where, _text(problem), "expected before the first `up`, which sets the password", STEP)
        else:
            yield error(where, _text(problem), "correct the secret ufmPassword, or ufm.user", STEP)
    except UfmError as problem:
        yield error(where, _text(problem), problem.remedy, STEP)
    finally:
        client.close()


def _text(problem: UfmError) -> str:
    return str(problem).removesuffix(f"; {problem.remedy}")


def _managers(client: Client, where: str) -> Iterator[Finding]:
    """Check that no switch runs a subnet manager: UFM's must be the only one."""
    others = sorted(
        str(system.get("system_name"))
        for system in client.systems()
        if system.get("type") == "switch" and str(system.get("sm_mode")) not in NO_MANAGER
    )
    if others:
        fix = "disable it on the switch: no ib sm"
        yield error(where, f"another subnet manager runs on {', '.join(others)}", fix, "U2")
    else:
        yield ok(where, "no switch runs a subnet manager", "U2")


def _ports(case: Case, client: Client, where: str) -> Iterator[Finding]:
    """Compare the fabric with the configuration. Nodes that are off are not in it."""
    ports = {port["guid"] for port in client.ports("Computer")}
    missing = [host.name for host in case.plan.hosts if host.guid_or_none and host.guid_or_none not in ports]
    if missing:
        found = f"{len(missing)} of {len(case.plan.hosts)} nodes have no port in the fabric: {', '.join(missing)}"
        yield unknown(where, found, "expected while they are powered off; else check `guid` and the cables", "I2")
    else:
        yield ok(where, "every port that the configuration names is in the fabric", "I2")
