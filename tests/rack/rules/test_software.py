"""Design rules of the undercloud's distribution, packages and container registry."""

from tests.rack.rules.cases import (
    OFFLINE,
    OWN_NAMESPACE,
    RHOSP,
    Edits,
    broken,
    broken_test,
    valid_test,
)

NAMESPACE, REGISTRY, REPOSITORIES = "undercloud.containerNamespace", "undercloud.registry", "undercloud.repositories"
TRIPLEO_REPOS, PACKAGE = "undercloud.tripleoReposUrl", "http://mirror.example/python3-tripleo-repos.rpm"
MIRROR = {"id": "wallaby", "baseurl": "http://mirror.example/wallaby"}

BROKEN = [
    broken("DIST001", "undercloud.distribution", {"undercloud.distribution": "rhosp-16.2"}),
    broken("DIST001", "undercloud.distribution", {**OFFLINE, "undercloud.distribution": "rhosp-16.2"}),
    broken("REG001", NAMESPACE, {NAMESPACE: "tripleowallaby", REGISTRY: {"insecure": True}}),
    broken("REG001", NAMESPACE, {NAMESPACE: "tripleowallaby", REGISTRY: {"caFile": "registry.pem"}}),
    broken("REG001", NAMESPACE, {NAMESPACE: "mirror/wallaby", REGISTRY: {"user": "rack"}}),
    *(
        broken("REG003", NAMESPACE, {REGISTRY: settings})
        for settings in ({"user": "rack"}, {"caFile": "registry.pem"}, {"insecure": True})
    ),
    broken("REG003", NAMESPACE, {**RHOSP, REGISTRY: {"user": "1234|rack", "caFile": "registry.pem"}}),
    broken("REG002", f"{REGISTRY}.user", {"undercloud.distribution": "rhosp-17.1"}),
    broken("REG002", f"{REGISTRY}.user", {NAMESPACE: "registry.redhat.io/rhosp-rhel9"}),
    broken("REPO002", TRIPLEO_REPOS, {TRIPLEO_REPOS: PACKAGE, REPOSITORIES: [MIRROR]}),
    broken("REPO002", TRIPLEO_REPOS, {TRIPLEO_REPOS: PACKAGE, **RHOSP}),
    broken("REPO001", (f"{REPOSITORIES}[0].id", f"{REPOSITORIES}[1].id"), {REPOSITORIES: 2 * [MIRROR]}),
]

VALID: list[Edits] = [
    RHOSP,
    {"undercloud.distribution": "rhosp-17.1", NAMESPACE: OWN_NAMESPACE},
    {NAMESPACE: "tripleowallaby"},
    {NAMESPACE: OWN_NAMESPACE, REGISTRY: {"insecure": True}},
    {NAMESPACE: "quay.io/tripleowallaby", REGISTRY: {"user": "rack"}},
    {TRIPLEO_REPOS: PACKAGE},
    {REPOSITORIES: [MIRROR, {**MIRROR, "id": "epel"}]},
]


test_a_broken_site_breaks_one_rule_at_its_paths = broken_test(BROKEN)
test_a_valid_site_has_no_findings = valid_test(VALID)
