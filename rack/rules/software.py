"""Design rules of the undercloud's distribution, packages and container registry (C1, C3)."""

from collections.abc import Iterator

from rack.distribution import LOGIN_REGISTRY, REFUSED, Release, registry_of
from rack.rules.common import duplicates
from rack.rules.registry import Finding, rule
from rack.site import Site


@rule("DIST001", "C1", "The distribution's director accepts the shipped documents; that of rhosp-16.2 does not.")
def distribution_fits(site: Site) -> Iterator[Finding]:
    """Look the distribution up among those that cannot be deployed."""
    found = site.undercloud.distribution
    if found in REFUSED:
        write = f"write {Release.RHOSP_17_1}, which is based on Wallaby"
        yield Finding("undercloud.distribution", f"{str(found)!r}, {REFUSED[found]}", write)


@rule("REG001", "C3", "With any setting under `undercloud.registry`, `containerNamespace` names the registry's host.")
def registry_named(site: Site) -> Iterator[Finding]:
    """Look for the host in the namespace, where there are settings for it."""
    registry, namespace = site.undercloud.registry, site.undercloud.container_namespace
    configured = registry.user or registry.ca_file or registry.insecure
    if configured and namespace and not registry_of(namespace):
        write = "write the registry's host too, such as registry.example:5000/tripleowallaby"
        yield Finding("undercloud.containerNamespace", repr(namespace), write)


@rule("REG003", "C3", "Settings under `undercloud.registry` belong to the registry that `containerNamespace` names.")
def registry_chosen(site: Site) -> Iterator[Finding]:
    """Look for settings beside the distribution's own registry, which needs no login unless it is Red Hat's."""
    cloud, registry = site.undercloud, site.undercloud.registry
    if cloud.container_namespace or cloud.distribution in REFUSED:
        return
    login = registry.user if cloud.registry_host != LOGIN_REGISTRY else None
    given = {"user": login, "caFile": registry.ca_file, "insecure": registry.insecure}
    for key in (key for key, value in given.items() if value):
        found = f"{key} for {cloud.registry_host}, the distribution's own registry"
        yield Finding("undercloud.containerNamespace", found, f"write your registry's, or remove registry.{key}")


@rule("REG002", "C3", "Containers from registry.redhat.io need a login.")
def registry_login(site: Site) -> Iterator[Finding]:
    """Look for the registry's user, where containers come from Red Hat's registry."""
    cloud = site.undercloud
    if cloud.distribution not in REFUSED and cloud.registry_host == LOGIN_REGISTRY and not cloud.registry.user:
        write = f"write the user of a service account of {LOGIN_REGISTRY}, or your own registry as containerNamespace"
        yield Finding("undercloud.registry.user", "nothing", write)


@rule("REPO001", "C1", "Repository IDs are unique.")
def repositories_unique(site: Site) -> Iterator[Finding]:
    """Look for IDs that several repositories have."""
    listed = ((f"undercloud.repositories[{i}].id", r.id) for i, r in enumerate(site.undercloud.repositories))
    for path, name in duplicates(listed):
        yield Finding(path, f"{name!r} more than once", "write a unique ID")


@rule(
    "REPO002",
    "C1",
    "`tripleoReposUrl` is for RDO's own packages: the site's repositories and Red Hat's have no such package.",
)
def release_package_used(site: Site) -> Iterator[Finding]:
    """Report the URL of a package that nothing installs."""
    cloud = site.undercloud
    if not cloud.tripleo_repos_url or cloud.distribution in REFUSED:
        return
    reason = "undercloud.repositories" if cloud.repositories else cloud.distribution
    if cloud.repositories or not cloud.software.release_repository:
        found = f"{cloud.tripleo_repos_url}, which is not used with {reason}"
        yield Finding("undercloud.tripleoReposUrl", found, "remove it")
