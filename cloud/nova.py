"""Reads instances at nova with the administrator's login, for messages. An unavailable cloud is not an error.

The openstack provider reports an instance that nova could not start without nova's reason.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cloud.client import CloudApi, CloudError, Login


def faults(login: Mapping[str, str], ids: Iterable[str]) -> dict[str, str]:
    """Return those of the instances that are in ERROR, with the reason that nova gives: ID → text.

    `login`: variables of an rc file. An instance that nova does not have, or a cloud that does not answer, is left out.
    """
    try:
        api = CloudApi(Login.of(login))
        servers = {id_: api.call("GET", "compute", f"/servers/{id_}").get("server", {}) for id_ in ids}
    except (CloudError, LookupError):  # the last one: another shape
        return {}
    return {id_: _reason(server) for id_, server in servers.items() if server.get("status") == "ERROR"}


def _reason(server: Mapping[str, Any]) -> str:
    return str(server.get("fault", {}).get("message") or "nova gives no reason; see nova-conductor.log").rstrip(". ")
