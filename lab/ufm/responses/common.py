"""What the responses share: the simulator of the request, and the parts of a request."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import current_app, request

from lab.fabric.client import FabricClient
from lab.ufm.errors import BadRequestError
from lab.ufm.resources import FabricResources, Record
from lab.ufm.simulator import UfmSimulator


def ufm() -> UfmSimulator:
    """Return the UFM that answers the request."""
    found: UfmSimulator = current_app.config["UFM"]
    return found


def fabric_resources() -> FabricResources:
    """Return what is linked on the fabric now.

    Raises:
        FabricError: the fabric's controller does not answer.
    """
    fabric: FabricClient = current_app.config["FABRIC"]
    config = current_app.config
    return FabricResources(fabric.nodes(), fabric.trunks(), config["ADDRESSES"], ufm().appearances)


def body() -> dict[str, Any]:
    """Return the JSON object in the body of the request.

    Raises:
        BadRequestError: the body is not a JSON object.
    """
    found = request.get_json(force=True, silent=True)
    if not isinstance(found, dict):
        raise BadRequestError("the body is not a JSON object")
    return found


def boolean(fields: Mapping[str, Any], name: str, default: bool) -> bool:
    """Return a boolean field of the body.

    Raises:
        BadRequestError: the field is not a boolean.
    """
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadRequestError(f"{name}: {value!r} is not a boolean")
    return value


def flag(name: str) -> bool:
    """Return a boolean of the query. Python clients send "True"."""
    return request.args.get(name, "").lower() == "true"


def query_filter(name: str, *fields: str) -> dict[str, Callable[[Record], object]]:
    """Return a filter for records with one of `fields` equal to the query's value `name`, or no filter without it."""
    value = request.args.get(name)
    return {} if value is None else {name: lambda record: value in [str(record[field]) for field in fields]}
