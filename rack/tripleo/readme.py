"""The README of rendered documents: where each file goes, the order of steps, and the PKeys."""

import shlex
from collections.abc import Iterator

from rack.plan import Plan
from rack.site.names import pkey
from rack.tripleo.documents import HOME, SECRETS, documents, placeholder, secrets


def readme(plan: Plan) -> str:
    """Return `README.md` for a folder of rendered documents."""
    return "\n".join(
        [
            f"# The documents of stack {plan.stack}",
            "",
            f"Written by `python -m rack render --stack {plan.stack}`; `pulumi up` installs the same files. Copy this",
            f"folder to `{HOME}/` on the undercloud.",
            "",
            *_table("File", "Guide", "Content", "Mode", rows=_files(plan)),
            "## Secrets",
            "",
            "The files contain no secret. Replace each placeholder with its secret, and keep the mode 0600:",
            "",
            *_table("Placeholder", "Secret", "File", rows=_secrets(plan)),
            "## Order",
            "",
            *_order(plan),
            "",
            "## PKeys",
            "",
            *_pkeys(plan),
        ]
    )


def _table(*head: str, rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _files(plan: Plan) -> Iterator[tuple[str, ...]]:
    return ((f"`{d.path}`", d.step, d.description, f"{d.mode:04o}") for d in documents(plan))


def _secrets(plan: Plan) -> Iterator[tuple[str, ...]]:
    for secret in secrets(plan):
        paths = ", ".join(f"`{d.path}`" for d in documents(plan) if d.secret == secret)
        yield f"`{placeholder(secret)}`", SECRETS[secret], paths


def _order(plan: Plan) -> list[str]:
    site = plan.site
    return [
        "1. C1, C4: install repositories and client, then `openstack undercloud install`.",
        f"2. C5: {', '.join(f'`{line}`' for line in (*_images(plan), 'openstack overcloud image upload'))}.",
        "3. C7: `openstack overcloud node import instackenv.json`.",
        "4. I1: `openstack overcloud node introspect --all-manageable`, then `configure --boot-option local",
        f"   --root-device largest --boot-mode {site.undercloud.boot_mode}`, then `provide`.",
        "5. I3: in UFM, create the control PKeys below, with the port GUID of every node as a full member.",
        "6. O5: provision networks and nodes:",
        *(f"   `{shlex.join(words)}`" for words in plan.provision_commands),
        f"7. H2: on each compute, `mstconfig -d {site.compute.hca} set SRIOV_EN=1 NUM_OF_VFS={site.compute.vfs}`, then",
        "   reboot it: the deployment creates the VFs, and fails on an adapter that does not offer them.",
        "8. O5: `sh deploy.sh`.",
        "9. O6: restart UFM. The deployment has set the options of ml2_conf.ini that the guide edits by hand (O6, T4).",
    ]


def _images(plan: Plan) -> tuple[str, ...]:
    cloud = plan.site.undercloud
    return (f"tar -xf {cloud.images_archive}",) if cloud.images_archive else cloud.software.images


def _pkeys(plan: Plan) -> Iterator[str]:
    low, high = plan.site.networks.tenant.vlans
    first, last = pkey(low), pkey(high)
    rows = [(p.network, str(p.vlan), f"`{p.pkey}`", "every node, full") for p in plan.control_pkeys]
    rows += [
        ("tenants", f"{low}-{high}", f"`{first}`-`{last}`", "written by Neutron's driver"),
        (plan.site.tenant.network.name, str(plan.site.tenant.network.vlan), f"`{plan.tenant_pkey}`", "as above"),
    ]
    yield from _table("Network", "VLAN", "PKey", "Members", rows=iter(rows))
    yield from _table("Node", "Port GUID", rows=iter((h.name, f"`{h.guid}`") for h in plan.hosts))
    nodes = " & ".join(h.name for h in plan.hosts)
    yield from ["```mermaid", "flowchart LR"]
    for number, p in enumerate(plan.control_pkeys):
        yield f'  {nodes} --- pkey{number}(["{p.network} {p.pkey}"])'
    yield from [f'  {nodes} -.- tenants(["tenants {first}-{last}"])', "```", ""]
