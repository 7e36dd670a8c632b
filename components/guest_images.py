"""Guest images (G1, G2): built by disk-image-create on the undercloud, copied, uploaded to the cloud; or a file's.

The guide copies the image from its build host and uploads it; here the machine that runs pulumi fetches it by its own
ssh into `.images/`, from where the OpenStack provider uploads it.
"""

import shlex
from pathlib import Path

import pulumi
import pulumi_openstack as openstack
from pulumi_command import local, remote

from components.overcloud import Overcloud
from components.ssh import as_stack, script
from components.undercloud import Undercloud
from rack import tripleo
from rack.plan import Plan
from rack.site import Image

CACHE = ".images"
"""Below the project; git-ignored."""


class GuestImages(pulumi.ComponentResource):
    images: dict[str, openstack.images.Image]

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        overcloud: Overcloud,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rack:cloud:GuestImages", name, None, opts)
        self._name, self._plan, self._undercloud, self._overcloud = name, plan, undercloud, overcloud
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
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._overcloud.provider, depends_on=self._overcloud.ready
            ),
        )

    def _path(self, image: Image) -> str:
        return f"{self._plan.site.undercloud.images_dir}/{image.name}.qcow2"

    def _build(self, image: Image) -> remote.Command:
        path = self._path(image)
        gpu = (
            'nvidia-smi -L >&2 || { echo "no CUDA GPU on the build host, which mofed and cuda need (G2)" >&2; exit 1; }'
        )
        return self._undercloud.host.job(
            f"{self._name}-build-{image.name}",
            as_stack(
                f": elements {' '.join(image.elements)}",
                *([gpu] if image.gpu_builder else []),
                f"mkdir -p {shlex.quote(self._plan.site.undercloud.images_dir)}",
                f"disk-image-create {' '.join(image.elements)} -o {shlex.quote(path.removesuffix('.qcow2'))} >&2",
                f"sha256sum {shlex.quote(path)} | cut -d ' ' -f 1",
                environment={
                    "DIB_RELEASE": image.release,
                    "ELEMENTS_PATH": self._plan.site.undercloud.elements_path,
                },
            ),
            delete=script(f"rm -rf {shlex.quote(path)} {shlex.quote(path.removesuffix('.qcow2'))}.d"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._undercloud.ready),
        )

    def _fetch(self, image: Image, built: remote.Command) -> local.Command:
        """Prints the local path, which changes with what is built: a new build is uploaded, an old one never again."""
        ssh, address = self._plan.site.ssh, self._plan.site.undercloud.address
        mark = tripleo.digest(*image.elements, image.release)
        target = f"{CACHE}/{image.name}-{mark}.qcow2"
        return local.Command(
            f"{self._name}-fetch-{image.name}",
            create=script(
                f"mkdir -p {CACHE}",
                f"ssh -n -p {ssh.port} -i {shlex.quote(str(ssh.private_key_file))} -o BatchMode=yes"
                f" -o StrictHostKeyChecking=yes -o UserKnownHostsFile={shlex.quote(str(ssh.known_hosts_file))}"
                f" {ssh.user}@{address} cat {shlex.quote(self._path(image))} > {target}.part",
                f"mv {target}.part {target}",
                f"printf %s {target}",
            ),
            delete=f"rm -f {target}",
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[built]),
        )


def _given(file: Path) -> str:
    """The path of a finished image on this machine.

    Raises:
        RunError: it is no file.
    """
    path = file.expanduser()
    if not path.is_file():
        raise pulumi.RunError(f"images: {file}: no such file on the machine that runs pulumi")
    return str(path)
