"""NVIDIA UFM as Pulumi resources: PKeys, the API access token and the admin password.

`errors` holds the tree of exceptions, `partition` how UFM spells and shapes its answers, `client` the REST calls,
`provider` what the resources share; `pkey`, `gate`, `token` and `admin` are the resources,
`inventory` a look-up, `plugin` the process in which the engine has them served.
"""

from providers.ufm.admin import AdminPassword
from providers.ufm.client import Client
from providers.ufm.errors import UfmError
from providers.ufm.gate import PKeyGate
from providers.ufm.inventory import find_members
from providers.ufm.pkey import PKey, Qos
from providers.ufm.provider import Provider
from providers.ufm.token import AccessToken

__all__ = ["AccessToken", "AdminPassword", "Client", "PKey", "PKeyGate", "Provider", "Qos", "UfmError", "find_members"]
