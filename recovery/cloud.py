"""The cloud of a stack, entered as the user of the stack's OpenStack provider."""

from cloud.client import DOMAIN, REGION, CloudApi, Login
from recovery.state import Resource, State, decrypted

PROVIDER = "pulumi:providers:openstack"
TIMEOUT = 60.0
"""Seconds to wait for an answer: a list may have thousands of objects."""


def api_of(state: State) -> CloudApi | None:
    """Return a client for the cloud of a state that was exported with its secrets; None if it has no cloud."""
    provider = next(state.of(PROVIDER), None)
    return CloudApi(login_of(provider), TIMEOUT) if provider else None


def login_of(provider: Resource) -> Login:
    """Return the login of a provider, with its secrets. The engine sends booleans as text."""
    given = {key: decrypted(value) for key, value in provider.inputs.items()}
    return Login(
        str(given["authUrl"]),
        str(given.get("userName") or ""),
        str(given.get("password") or ""),
        str(given.get("tenantName") or ""),
        str(given.get("userDomainName") or DOMAIN),
        str(given.get("projectDomainName") or DOMAIN),
        str(given.get("region") or REGION),
        str(given.get("cacertFile") or ""),
        str(given.get("insecure")).lower() == "true",
    )
