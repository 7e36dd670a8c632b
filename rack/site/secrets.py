"""The stack's secrets, which are no part of the site."""

SECRETS = {
    "ufmPassword": "UFM's admin password, 4 to 30 letters, digits or _; replaces the default 123456 (guide step U7)",
    "ufmLicense": "UFM's licence file, its text (U4); not needed with `ufm.host` left out",
    "ipmiPassword": "the password of the nodes' IPMI controllers (C6)",
    "ufmPreviousPassword": "only while `ufmPassword` changes: the former one; then `pulumi config rm` it (U7)",
    "registryPassword": "only with `undercloud.registry.user`: that user's password or token (C3)",
}
"""The stack's secrets, set by `pulumi config set --secret KEY`; each with what it is for."""

OCCASIONAL_SECRETS = {"ufmPreviousPassword", "registryPassword"}
"""Those that not every stack has, or for a while only."""
