"""Guest images (G1, G2): built by disk-image-create, or given as a file, and uploaded to the cloud.

They are built on the undercloud by user stack, as in the guide, or on `builder` by root.

As in the guide, a built image is copied from the build host before it is uploaded: the machine that runs pulumi fetches
it over ssh into `.images/`, from where the OpenStack provider uploads it.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi_command import local, remote

from access import ssh_client
from access.ssh import Operator, SshHost, as_stack, script
from components.base import Component
from components.overcloud import Overcloud
from components.owner import Owner
from components.undercloud import Undercloud
from rack import owner as marks
from rack import tripleo
from rack.plan import Plan
from rack.site import Image
from rack.site.images import CUDA_URL, OFED_FILE, REPOSITORY_FILES

CACHE = ".images"
"""Folder in the project; git ignores it."""


@dataclass(frozen=True)
class BuildHost:
    """Where images are built."""

    host: SshHost
    images_dir: str
    elements_path: str
    wrap: Callable[..., str]
    """Makes one simple command of a script's lines: `as_stack`, or `as_root`."""
    ready: list[pulumi.Resource]
    """Resources that a build depends on."""

    def path(self, image: Image) -> str:
        """Return the path of the built image on the host."""
        return f"{self.images_dir}/{image.name}.qcow2"


def as_root(*lines: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a command that runs the script in root's home."""
    return f"sh -c {shlex.quote(script('cd', *lines, environment=environment))}"


class GuestImages(Component):
    """The images of the tenant's instances."""

    TYPE = "rack:cloud:GuestImages"

    images: dict[str, openstack.images.Image]
    """Image by name."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        overcloud: Overcloud,
        operator: Operator,
        owner: Owner,
        claims: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Build or take, then upload, every image of the configuration.

        `claims`: what the first change of `builder` depends on: the host belongs to this stack.
        """
        super().__init__(name, opts)
        self._plan, self._overcloud, self._mark = plan, overcloud, owner.mark
        self._builder = self._build_host(undercloud, operator, claims)
        self._fetching = pulumi.ResourceOptions(hooks=operator.fetch_hooks)
        self.images = {image.name: self._image(image) for image in plan.site.images}
        self.register_outputs({})

    def _image(self, image: Image) -> openstack.images.Image:
        return openstack.images.Image(
            f"{self._name}-{image.name}",
            name=image.name,
            local_file_path=_given(image.file) if image.file else self._fetch(image, self._build(image)).stdout,
            container_format="bare",
            disk_format="qcow2",
            visibility="public",
            properties={marks.KEY: self._mark(f"{self._name}-{image.name}")},
            opts=self._child(*self._overcloud.ready, provider=self._overcloud.provider, hooks=self._overcloud.hooks),
        )

    def _build_host(self, undercloud: Undercloud, operator: Operator, claims: Sequence[pulumi.Resource]) -> BuildHost:
        cloud, own = self._plan.site.undercloud, self._plan.site.builder
        if own is None:
            return BuildHost(undercloud.host, cloud.images_dir, cloud.elements_path, as_stack, undercloud.ready)
        host = operator.host(own.address)
        runner = host.runner(f"{self._name}-jobs", opts=self._child(*claims))
        return BuildHost(host, own.images_dir, own.elements_path, as_root, [runner])

    def _build(self, image: Image) -> remote.Command:
        builder = self._builder
        path = builder.path(image)
        gpu = (
            'nvidia-smi -L >&2 || { echo "no CUDA GPU on the build host, which mofed and cuda need (G2)" >&2; exit 1; }'
        )
        prepared = builder.ready
        checked = pulumi.ResourceOptions.merge(self._child(*prepared), self._fetching)
        before = [self._check(image, checked), *self._defaults(image, self._child(*prepared))]
        return builder.host.job(
            f"{self._name}-build-{image.name}",
            builder.wrap(
                f": elements {' '.join(image.elements)}",
                *([gpu] if image.gpu_builder else []),
                f"mkdir -p {shlex.quote(builder.images_dir)}",
                f"disk-image-create {' '.join(image.elements)} -o {shlex.quote(path.removesuffix('.qcow2'))} >&2",
                f"sha256sum {shlex.quote(path)} | cut -d ' ' -f 1",
                environment={
                    "DIB_RELEASE": image.release,
                    "ELEMENTS_PATH": builder.elements_path,
                    **image.environment,
                },
            ),
            delete=script(f"rm -rf {shlex.quote(path)} {shlex.quote(path.removesuffix('.qcow2'))}.d"),
            opts=self._child(*prepared, *before),
        )

    def _check(self, image: Image, opts: pulumi.ResourceOptions) -> remote.Command:
        """Check elements, files and URLs before a build that takes an hour.

        An image that an earlier version has built stays as it is: its files may have gone.
        """
        builder = self._builder
        skip = [] if image.environment else [f"[ ! -e {shlex.quote(builder.path(image))} ] || exit 0"]
        return builder.host.run(
            f"{self._name}-check-{image.name}",
            builder.wrap(*skip, *checks(image, builder.elements_path)),
            opts=opts,
        )

    def _defaults(self, image: Image, opts: pulumi.ResourceOptions) -> list[remote.Command]:
        """Give the variables that the configuration does not name to the job.

        They are not in its command: existing stacks would build their images again.
        """
        defaults = {name: value for name, value in image.variables.items() if name not in image.environment}
        if not defaults:
            return []
        job = f"{self._name}-build-{image.name}"
        lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in defaults.items())
        return [
            self._builder.host.file(f"{self._name}-variables-{image.name}", f"/etc/rack-job/{job}", lines, opts=opts)
        ]

    def _fetch(self, image: Image, built: remote.Command) -> local.Command:
        """Copy a built image to this machine; the command prints its local path.

        The path changes with elements, release and variables: a new build is uploaded, and nothing is uploaded twice.
        """
        ssh, builder = self._plan.site.ssh, self._builder
        sudo = "" if ssh.user == "root" else "sudo -n "
        variables = [f"{name}={value}" for name, value in sorted(image.environment.items())]
        mark = tripleo.digest(*image.elements, image.release, *variables)
        target = f"{CACHE}/{image.name}-{mark}.qcow2"
        return local.Command(
            f"{self._name}-fetch-{image.name}",
            create=script(
                f"mkdir -p {CACHE}",
                f"ssh -n {ssh_client.options(ssh)}"
                f" {ssh.user}@{builder.host.address} {sudo}cat {shlex.quote(builder.path(image))} > {target}.part",
                f"mv {target}.part {target}",
                f"printf %s {target}",
            ),
            delete=f"rm -f {target}",
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(self._child(built), self._fetching),
        )


STOCK = """\
stock=$(python3 -c 'import diskimage_builder, os; print(os.path.dirname(diskimage_builder.__file__))')/elements ||
  say 'diskimage-builder is not installed; dnf install diskimage-builder'"""
"""Finds the elements of diskimage-builder on the build host."""


def checks(image: Image, elements_path: str) -> list[str]:
    """Return lines of shell that check what a build needs on its host, print every fault and fail if there is one."""
    files = [image.variables[OFED_FILE]] if "mofed" in image.elements and OFED_FILE in image.variables else []
    repositories = image.variables.get(REPOSITORY_FILES, "").split()
    urls = [image.variables[CUDA_URL]] if "cuda" in image.elements and CUDA_URL in image.variables else []
    own = shlex.quote(elements_path)
    return [
        "fail=0",
        f'say() {{ echo "image {image.name}: $1" >&2; fail=1; }}',
        STOCK,
        f"for element in {' '.join(image.elements)}; do",
        f'  [ -d {own}/"$element" ] || [ -d "$stock/$element" ] ||',
        f'    say "neither diskimage-builder nor {elements_path} contains the element $element"',
        "done",
        *(f"[ -r {shlex.quote(file)} ] || say {shlex.quote(f'cannot read {file} ({OFED_FILE})')}" for file in files),
        *(_matches(pattern) for pattern in repositories),
        *(
            f"curl -fsSIL -o /dev/null {shlex.quote(url)} || say {shlex.quote(f'{url} does not answer ({CUDA_URL})')}"
            for url in urls
        ),
        *_machine(image),
        '[ "$fail" = 0 ]',
    ]


def _machine(image: Image) -> Iterator[str]:
    """Yield lines that check GPU and kernel, for which the element cuda builds its modules."""
    if image.gpu_builder:
        yield 'nvidia-smi -L >/dev/null || say "the build host has no CUDA GPU, which the element cuda needs (G2)"'
    if image.kernel:
        text = f"the build host runs kernel $(uname -r) instead of the image's {image.kernel} (G2)"
        yield f'[ "$(uname -r)" = {shlex.quote(image.kernel)} ] || say "{text}"'


def _matches(pattern: str) -> str:
    """Return a line that checks that a pattern of DIB_YUM_REPO_CONF matches a file."""
    return f'set -- {pattern}; [ -f "$1" ] || say "no file {pattern} ({REPOSITORY_FILES})"'


def _given(file: Path) -> str:
    """Return the path of a finished image on this machine.

    Raises:
        RunError: there is no such file.
    """
    path = file.expanduser()
    if not path.is_file():
        raise pulumi.RunError(f"images: {file}: no such file on the machine that runs pulumi")
    return str(path)
