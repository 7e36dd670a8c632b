"""The documents together, as they lie in the home of the undercloud's user stack: for review, and to deploy by hand."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rack.plan import BUNDLE, REGISTRY_FILE, Plan
from rack.tripleo import deployment, undercloud
from rack.tripleo.header import digest, headed

HOME = "/home/stack"
TEMPLATES = BUNDLE.removeprefix(f"{HOME}/")

Render = Callable[[Plan], str]


def placeholder(secret: str) -> str:
    """What stands where a secret belongs, in files that people read."""
    return f"WRITE-HERE-{secret}"


@dataclass(frozen=True)
class Document:
    """One file of the bundle."""

    path: str
    """Below stack's home."""
    step: str
    """The guide's."""
    says: str
    """What it is, in a line."""
    render: Render
    secret: str = ""
    """What must be written into it before it is used; then the file is 0600."""


def mode(document: Document) -> int:
    """The file's permissions."""
    return 0o600 if document.secret else 0o755 if document.path.endswith(".sh") else 0o644


def _deployed(name: str, step: str, says: str, render: Render, secret: str = "") -> Document:
    return Document(f"{TEMPLATES}/{name}", step, says, render, secret)


CONTAINERS = undercloud.CONTAINERS_FILE.removeprefix(f"{HOME}/")
CONTAINERS_SAYS = "containers, four rebuilt with python3-networking-mlnx"
IPMI, TOKEN, REGISTRY = "ipmiPassword", "ufmToken", "registryPassword"

DOCUMENTS: tuple[Document, ...] = (
    Document("undercloud.conf", "C2", "the undercloud's own settings", undercloud.undercloud_conf),
    Document(CONTAINERS, "C3", f"{CONTAINERS_SAYS}; read by the undercloud", deployment.containers_prepare),
    Document("instackenv.json", "C6", "the inventory with IPMI credentials",
             lambda plan: undercloud.instackenv(plan, placeholder(IPMI)), IPMI),
    _deployed("network_data_ib_vm.yaml", "O1", "networks; a VLAN is a PKey in decimal", deployment.network_data),
    _deployed("vip-data-ib-vm.yaml", "O1", "virtual addresses", deployment.vip_data),
    _deployed("roles_data_ib_vm.yaml", "O1", "roles: services and networks", deployment.roles_data),
    _deployed("node-info-ib-vm.yaml", "O1", "which node becomes which host", deployment.node_info),
    _deployed("controller-ib-vm-nics.j2", "O2", "the controllers' interfaces", deployment.controller_nics),
    _deployed("compute-ib-vm-nics.j2", "O2", "the computes' interfaces and VFs", deployment.compute_nics),
    _deployed("neutron-ml2-mlnx-sdn-vm.yaml", "O3", "how Neutron reaches UFM",
              lambda plan: deployment.ml2_sdn(plan, placeholder(TOKEN)), TOKEN),
    _deployed("ib-env-vm.yaml", "O4", "time, DNS, GPU alias, CPUs, passthrough, physical networks", deployment.ib_env),
    _deployed("containers-prepare-parameter-ib-vm.yaml", "C3", f"{CONTAINERS_SAYS}; read by the deployment",
              deployment.containers_prepare),
    Document("deploy.sh", "O5", "the deploy command", lambda plan: deploy_script(plan)),
)  # fmt: skip
"""Those that every site has."""

LOGIN = Document(REGISTRY_FILE.removeprefix(f"{HOME}/"), "C3", "the login at the containers' registry",
                 lambda plan: deployment.registry_login(plan, placeholder(REGISTRY)), REGISTRY)  # fmt: skip
REPOSITORIES = Document(
    "rack.repo", "C1", "the site's repositories; copy it to /etc/yum.repos.d/", undercloud.repositories
)

SECRETS = {
    IPMI: "the password of the nodes' IPMI controllers",
    TOKEN: "an access token of UFM's REST API (U8)",
    REGISTRY: "the password at the containers' registry (C3)",
}


def documents(plan: Plan) -> tuple[Document, ...]:
    """Those that the site has."""
    cloud = plan.site.undercloud
    return (*DOCUMENTS, *([LOGIN] if cloud.registry.user else []), *([REPOSITORIES] if cloud.repositories else []))


def secrets(plan: Plan) -> tuple[str, ...]:
    """Those that belong into the site's documents."""
    return tuple(document.secret for document in documents(plan) if document.secret)


def bundle(plan: Plan) -> dict[str, str]:
    """Path below stack's home → text. Secrets are placeholders."""
    return {document.path: document.render(plan) for document in documents(plan)}


DEPLOYED: dict[str, Render] = {
    document.path.rpartition("/")[2]: document.render
    for document in DOCUMENTS
    if document.path.startswith(f"{TEMPLATES}/") and not document.secret
}
"""Name → text of the deployment's documents (O1 to O4) but the one with UFM's token."""


def deployment_digest(plan: Plan) -> str:
    """Names the deployment, by the digest of all that it depends on: what follows it runs again when it does."""
    texts = (render(plan) for render in DEPLOYED.values())
    return digest(*texts, plan.sdn_url, str(plan.site.ufm.token_generation))


def deploy_script(plan: Plan) -> str:
    """`deploy.sh`: the guide's command, one option a line."""
    words = " \\\n  ".join(_lines(list(plan.deploy_command)))
    return "#!/bin/sh\n" + headed(plan, "O5", f"set -eu\n. ~/stackrc\nexec {words}\n")


def _lines(words: list[str]) -> Iterator[str]:
    """The words, every option with its value on a line of its own."""
    line: list[str] = []
    for word in words:
        if word.startswith("-"):
            yield shlex.join(line)
            line = []
        line.append(word)
    yield shlex.join(line)
