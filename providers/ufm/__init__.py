"""NVIDIA UFM as Pulumi resources: PKeys, an API access token and the admin password.

A program uses the names below; the engine starts `plugin`. Its calls go to one handler per resource type (`pkey`,
`owner`, `gate`, `token`, `admin`, on the base class in `handler`), and from there through `client` and `transport` to
UFM's REST API. `partition` converts spellings and answers, `errors` holds the exceptions. See README.md.
"""

from .admin import AdminPassword
from .client import Client
from .errors import UfmError
from .gate import PKeyGate
from .inventory import find_members
from .member import PKeyMember
from .owner import PKeyOwner, PKeyOwnerGuard
from .pkey import PKey, Qos
from .provider import Provider
from .token import AccessToken

__all__ = [
    "AccessToken",
    "AdminPassword",
    "Client",
    "PKey",
    "PKeyGate",
    "PKeyMember",
    "PKeyOwner",
    "PKeyOwnerGuard",
    "Provider",
    "Qos",
    "UfmError",
    "find_members",
]
