"""The build host of guest images, if it is another host than the undercloud (G1, G2)."""

from collections.abc import Iterator

from components.guest_images import checks
from doctor.answers import not_entered
from doctor.case import Case
from doctor.finding import Finding, error, ok
from doctor.ssh import ProbedHost, SshError
from onhost.questions import ShellQuestion


def check(case: Case) -> Iterator[Finding]:
    """Yield the findings on the build host: those of the step of `up` that looks at it before a build."""
    builder = case.site.builder
    if builder is None:
        return
    host = ProbedHost("builder", str(builder.address), case.site.ssh)
    built = [image for image in case.site.images if image.elements]
    questions = [ShellQuestion(image.name, "\n".join(checks(image, builder.elements_path))) for image in built]
    try:
        answers = host.probe(questions)
    except SshError as problem:
        yield not_entered(host, problem, "G2")
        return
    yield ok(str(host), f"SSH as {host.ssh.user}", "G2")
    for image in built:
        if answers[image.name]["ok"]:
            yield ok(str(host), f"it can build the image {image.name}", "G2")
        for line in () if answers[image.name]["ok"] else answers[image.name]["text"].splitlines():
            yield error(str(host), line.removesuffix(" (G2)"), "see docs/configuration.md: images, builder", "G2")
