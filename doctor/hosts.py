"""The undercloud, and what it reaches: BMCs, switch, servers, nodes that are up."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from doctor import nodes, owner
from doctor.answers import Answers, not_entered
from doctor.case import Case
from doctor.finding import Finding, error, ok, unknown, warning
from doctor.ssh import ProbedHost, SshError
from onhost.questions import BmcQuestion, DnsQuestion, HttpQuestion, NtpQuestion, Question, ShellQuestion, TcpQuestion

MANAGEMENT_PORTS = (22, 443, 80)
"""Where a managed switch answers."""
DNS_NAME = "localhost"
REGISTRY_ACCEPTED = (200, 401)
"""A registry asks for a login at /v2/."""


def undercloud(case: Case) -> Iterator[Finding]:
    """Yield the findings on the undercloud, and on all that it reaches."""
    host = ProbedHost("undercloud", str(case.site.undercloud.ssh_address), case.site.ssh)
    try:
        answers = host.probe([owner.QUESTION, *_system(), *_network(case), *_bmcs(case), *nodes.questions(case)])
    except SshError as problem:
        yield not_entered(host, problem, "C1")
        return
    yield ok(str(host), f"SSH as {host.ssh.user}", "C1")
    yield from owner.findings(case, str(host), answers["owner"])
    yield from _about_system(case, str(host), answers)
    yield from _about_network(case, answers)
    yield from _about_bmcs(case, answers)
    yield from nodes.findings(case, answers)


# The undercloud itself


def _system() -> list[Question]:
    return [
        ShellQuestion("root", "id -u"),
        ShellQuestion("os", '. /etc/os-release; echo "$ID-$VERSION_ID"'),
        ShellQuestion("disk", "df -P -k / | tail -n 1"),
    ]


def _about_system(case: Case, where: str, answers: Answers) -> Iterator[Finding]:
    spec = case.site.undercloud
    if not answers["root"]["ok"]:
        fix = f"allow it: echo '{case.site.ssh.user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/rack"
        yield error(where, f"{case.site.ssh.user} may not use sudo without a password", fix, "C1")
        return
    found = answers["os"]["text"]
    if found == spec.software.os:
        yield ok(where, f"its operating system is {spec.software.os_title}", "C1")
    else:
        fix = f"install {spec.software.os_title}, or change undercloud.distribution"
        yield error(where, f"its operating system is {found or 'unknown'}", fix, "C1")
    size = _gib(answers["disk"]["text"])
    if size < spec.root_gib:
        fix = f"enlarge it to {spec.root_gib} GiB (undercloud.rootGib)"
        yield error(where, f"its root partition has {size} GiB", fix, "C1")
    else:
        yield ok(where, f"its root partition has {size} GiB", "C1")


def _gib(line: str) -> int:
    """Return the size in a line of `df -P -k`, rounded up: a partition of 100 GiB holds a little less."""
    fields = line.split()
    return -(-int(fields[1]) // 2**20) if len(fields) > 1 and fields[1].isdigit() else 0


# What the undercloud reaches


Network = HttpQuestion | DnsQuestion | NtpQuestion | TcpQuestion


def _network(case: Case) -> list[Network]:
    site = case.site
    provisioning = site.networks.provisioning
    asked: list[Network] = [HttpQuestion(f"repository {name}", url, [200]) for name, url in _repositories(case).items()]
    asked += [DnsQuestion(f"dns {a}", str(a), DNS_NAME) for a in provisioning.dns]
    asked += [NtpQuestion(f"ntp {a}", str(a)) for a in provisioning.ntp]
    if address := site.fabric.switch.address:
        asked.append(TcpQuestion("switch", str(address), MANAGEMENT_PORTS))
    if registry := site.undercloud.registry_host:
        scheme = "http" if site.undercloud.registry.insecure and ":" in registry else "https"
        ca, insecure = _text(site.undercloud.registry.ca_file), site.undercloud.registry.insecure
        asked.append(HttpQuestion("registry", f"{scheme}://{registry}/v2/", REGISTRY_ACCEPTED, ca, insecure))
    return asked


def _text(path: Path | None) -> str:
    try:
        return path.expanduser().read_text() if path else ""
    except OSError:
        return ""  # `local` reports it.


def _repositories(case: Case) -> Mapping[str, str]:
    spec = case.site.undercloud
    found = {repository.id: repository.baseurl for repository in spec.repositories}
    if release := spec.release_repository:
        found["tripleoReposUrl" if spec.tripleo_repos_url else "RDO"] = release
    suffix = "/repodata/repomd.xml"
    return {name: url if url.endswith(".rpm") else url.rstrip("/") + suffix for name, url in found.items()}


def _about_network(case: Case, answers: Answers) -> Iterator[Finding]:
    where = "from the undercloud"
    fixes = {
        "repository": ("correct undercloud.repositories or tripleoReposUrl, or open the way to it", "C1"),
        "registry": ("correct undercloud.containerNamespace or registry, or open the way to it", "C3"),
        "dns": ("correct networks.provisioning.dns, or start the server", "O4"),
        "ntp": ("correct networks.provisioning.ntp, or start the server", "O4"),
        "switch": ("correct fabric.switch.address, or connect the switch's management port", "D5"),
    }
    for question in _network(case):
        name = question.id
        answer, (fix, step) = answers[name], fixes[name.partition(" ")[0]]
        target = question.url if isinstance(question, HttpQuestion) else question.host
        title = f"{name.partition(' ')[0]} {target}"
        if answer["ok"]:
            yield ok(where, f"{title}: {answer['text']}", step)
        elif name == "switch":
            yield warning(where, f"{title} does not answer: {answer['text']}", fix, step)
        else:
            yield error(where, f"{title} does not answer: {answer['text']}", fix, step)
    if case.site.fabric.switch.address is None:
        yield unknown(where, "the switch was not looked for", "set fabric.switch.address", "D5")


# BMCs


def _bmcs(case: Case) -> list[Question]:
    return [
        BmcQuestion(f"bmc {node.name}", str(node.ipmi.address), node.ipmi.user, case.bmc_password(node.name) or "")
        for node in case.site.nodes
    ]


def _about_bmcs(case: Case, answers: Answers) -> Iterator[Finding]:
    for node in case.site.nodes:
        where, answer = f"BMC of {node.name} ({node.ipmi.address})", answers[f"bmc {node.name}"]
        text = str(answer["text"])
        if answer["ok"]:
            yield ok(where, f"the login of {node.ipmi.user} is good", "C6")
        elif "password" in text and case.bmc_password(node.name) is None:
            yield unknown(where, "it answers; its login was not checked", "see the finding on the secrets", "C6")
        elif "password" in text or "administrator" in text:
            fix = f"correct nodes.ipmi.user, or: pulumi config set --secret --path 'ipmiPasswords.{node.name}'"
            yield error(where, text, fix, "C6")
        else:
            fix = "correct nodes.ipmi.address, enable IPMI over LAN, or open UDP port 623 from the undercloud"
            yield error(where, f"IPMI: {text}", fix, "C6")
