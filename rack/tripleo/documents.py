"""The list of rendered documents, with their paths below the home directory of the undercloud's user stack.

Used in two ways: `python -m rack render` writes all of them for a review or a deployment by hand, and the components
install them one by one.
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rack.plan import DEPLOY_FOLDER, REGISTRY_FILE, Plan
from rack.tripleo import deployment, undercloud
from rack.tripleo.header import digest, headed

HOME = "/home/stack"
DEPLOY_PATH = DEPLOY_FOLDER.removeprefix(f"{HOME}/")
"""The folder of the deployment files (O1 to O4), relative to HOME."""

Render = Callable[[Plan], str]


def placeholder(secret: str) -> str:
    """Return the text that stands for a secret in rendered files."""
    return f"WRITE-HERE-{secret}"


@dataclass(frozen=True)
class Document:
    """One rendered file."""

    path: str
    """Relative to HOME."""
    step: str
    """The guide step that asks for the file."""
    description: str
    """One line for the README."""
    render: Render
    secret: str = ""
    """Name of the secret that the file contains; empty if it contains none."""

    @property
    def mode(self) -> int:
        """The permissions: 0600 with a secret, 0755 for a script, 0644 otherwise."""
        if self.secret:
            return 0o600
        return 0o755 if self.path.endswith(".sh") else 0o644


def _deployed(name: str, step: str, description: str, render: Render, secret: str = "") -> Document:
    return Document(f"{DEPLOY_PATH}/{name}", step, description, render, secret)


CONTAINERS = undercloud.CONTAINERS_FILE.removeprefix(f"{HOME}/")
CONTAINERS_DESCRIPTION = "container images, four rebuilt with python3-networking-mlnx"
IPMI, TOKEN, REGISTRY = "ipmiPassword", "ufmToken", "registryPassword"

DOCUMENTS: tuple[Document, ...] = (
    Document("undercloud.conf", "C2", "settings of the undercloud", undercloud.undercloud_conf),
    Document(CONTAINERS, "C3", f"{CONTAINERS_DESCRIPTION}; read by the undercloud", deployment.containers_prepare),
    Document("instackenv.json", "C6", "inventory with IPMI credentials",
             lambda plan: undercloud.instackenv(plan, placeholder(IPMI)), IPMI),
    _deployed("network_data_ib_vm.yaml", "O1", "networks; a VLAN is a PKey in decimal", deployment.network_data),
    _deployed("vip-data-ib-vm.yaml", "O1", "virtual addresses", deployment.vip_data),
    _deployed("roles_data_ib_vm.yaml", "O1", "services and networks per role", deployment.roles_data),
    _deployed("node-info-ib-vm.yaml", "O1", "host name and address per node", deployment.node_info),
    _deployed("controller-ib-vm-nics.j2", "O2", "interfaces of controllers", deployment.controller_nics),
    _deployed("compute-ib-vm-nics.j2", "O2", "interfaces and VFs of computes", deployment.compute_nics),
    _deployed("neutron-ml2-mlnx-sdn-vm.yaml", "O3", "how Neutron connects to UFM",
              lambda plan: deployment.ml2_sdn(plan, placeholder(TOKEN)), TOKEN),
    _deployed("ib-env-vm.yaml", "O4", "time, DNS, GPU alias, CPUs, passthrough, physical networks, ml2_conf.ini",
              deployment.ib_env),
    _deployed("containers-prepare-parameter-ib-vm.yaml", "C3", f"{CONTAINERS_DESCRIPTION}; read by the deployment",
              deployment.containers_prepare),
    Document("deploy.sh", "O5", "the deploy command", lambda plan: deploy_script(plan)),
)  # fmt: skip
"""The documents of every site."""

LOGIN = Document(REGISTRY_FILE.removeprefix(f"{HOME}/"), "C3", "login at the container registry",
                 lambda plan: deployment.registry_login(plan, placeholder(REGISTRY)), REGISTRY)  # fmt: skip
REPOSITORIES = Document(
    "rack.repo", "C1", "package repositories of the site; copy it to /etc/yum.repos.d/", undercloud.repositories
)

SECRETS = {
    IPMI: "password of the nodes' BMCs (IPMI)",
    TOKEN: "access token for UFM's REST API (U8)",
    REGISTRY: "password at the container registry (C3)",
}


def documents(plan: Plan) -> tuple[Document, ...]:
    """Return the documents of the plan's site: DOCUMENTS, and what its registry and repositories need."""
    cloud = plan.site.undercloud
    return (*DOCUMENTS, *([LOGIN] if cloud.registry.user else []), *([REPOSITORIES] if cloud.repositories else []))


def secrets(plan: Plan) -> tuple[str, ...]:
    """Return the names of the secrets that the documents of the plan's site contain."""
    return tuple(document.secret for document in documents(plan) if document.secret)


def rendered(plan: Plan) -> dict[str, str]:
    """Return path → text of every document, with placeholders instead of secrets."""
    return {document.path: document.render(plan) for document in documents(plan)}


DEPLOYMENT_DOCUMENTS: dict[str, Render] = {
    document.path.rpartition("/")[2]: document.render
    for document in DOCUMENTS
    if document.path.startswith(f"{DEPLOY_PATH}/") and not document.secret
}
"""File name → renderer of the deployment documents (O1 to O4) that contain no secret."""


UFM_CA_DOCUMENT = "ib-env-vm.yaml"
"""The deployment document with the authority of UFM's certificate, which may be known only once UFM is installed."""


def deployment_digest(plan: Plan) -> str:
    """Return a digest of everything that the deployment depends on.

    Commands that must run after every deployment contain the digest. It must not change with the wording of headers,
    the stack name or a release of this program: every change of it repeats the deployment.
    """
    texts = (render(plan) for render in DEPLOYMENT_DOCUMENTS.values())
    return digest(*texts, plan.sdn_url, str(plan.site.ufm.token_generation))


def deploy_script(plan: Plan) -> str:
    """Return `deploy.sh`: the deploy command of the guide (O5), one option per line."""
    words = " \\\n  ".join(_lines(list(plan.deploy_command)))
    return "#!/bin/sh\n" + headed(plan, "O5", f"set -eu\n. ~/stackrc\nexec {words}\n")


def _lines(words: list[str]) -> Iterator[str]:
    """Yield the words, quoted for a shell, with a new line for each option and its value."""
    line: list[str] = []
    for word in words:
        if word.startswith("-"):
            yield shlex.join(line)
            line = []
        line.append(word)
    yield shlex.join(line)
