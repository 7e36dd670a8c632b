"""The keys beside `rack:site`: the stack's secrets, which are Pulumi config secrets, and options."""

SECRETS = {
    "ufmPassword": "Password of UFM's admin: 4 to 30 letters, digits or _. Replaces the default 123456 (U7).",
    "ufmLicense": "Text of UFM's licence file (U4). Not needed without `ufm.host`.",
    "ipmiPassword": "Password of the nodes' IPMI controllers (C6). Not needed if `ipmiPasswords` has every node.",
    "ipmiPasswords": "Password of one node's controller, by node, where it is not `ipmiPassword` (C6): "
    "`pulumi config set --secret --path 'ipmiPasswords.NODE'`.",
    "ufmPreviousPassword": "Old password while `ufmPassword` changes. Remove it afterwards: `pulumi config rm` (U7).",
    "registryPassword": "Password or token of `undercloud.registry.user`. Needed with that key only (C3).",
    "sshKeyPassphrase": "Passphrase of `ssh.privateKeyFile`. Needed if the key has one.",
}
"""Key of each secret, for `pulumi config set --secret KEY`, with its meaning."""

OCCASIONAL_SECRETS = {"ufmPreviousPassword", "registryPassword", "ipmiPasswords", "sshKeyPassphrase"}
"""Secrets that a stack may lack."""

OPTIONS = {
    "takeFrom": "ID of the stack that owns the rack, while this stack takes it over. Remove it after the `up`: "
    "`pulumi config rm takeFrom`.",
    "repair": "Number of repairs, by step: a step runs again when its number changes. `python -m rack drift --repair` "
    "writes it.",
}
"""Key of each option that is no secret, for `pulumi config set KEY`, with its meaning."""

COUNTED = {"repair"}
"""Options with one number per step."""

NODE_SECRETS = {"ipmiPasswords"}
"""Secrets with one value per node."""
