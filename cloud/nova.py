"""Reads instances at nova with the administrator's login, for messages. Nothing is written, and no answer is no error.

The openstack provider reports an instance that nova could not start without nova's reason.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cloud.client import CloudApi, Login, NoAnswerError, RefusedError


def faults(login: Mapping[str, str], ids: Iterable[str]) -> dict[str, str]:
    """Return those of the instances that are in ERROR, with the reason that nova gives: ID → text.

    `login`: variables of an rc file. An instance that nova does not have, or a cloud that does not answer, is left out.
    """
    try:
        api = CloudApi(Login.of(login))
        servers = {id_: api.server(id_) for id_ in ids}
    except (NoAnswerError, RefusedError, ValueError, LookupError):  # the last two: no JSON, another shape
        return {}
    return {id_: _reason(server) for id_, server in servers.items() if server.get("status") == "ERROR"}


def _reason(server: Mapping[str, Any]) -> str:
    return str(server.get("fault", {}).get("message") or "nova gives no reason; see nova-conductor.log").rstrip(". ")
