"""/resources/groups: groups of systems or ports."""

from flask import Response, jsonify, request

from lab.ufm.resources import Record
from lab.ufm.responses.common import body, flag, ufm

Answer = Response | tuple[Response, int]


def all_groups() -> Response:
    """Return the groups, all or those of one type; with `members` also their members."""
    kind = request.args.get("type")
    return jsonify([_shown(group) for group in ufm().groups.all() if kind in (None, group["type"])])


def one_group(name: str) -> Response:
    """Return a list with the group of that name."""
    return jsonify([_shown(ufm().groups.one(name))])


def create_group() -> Answer:
    """Create a group."""
    ufm().groups.create(body())
    return jsonify({}), ufm().quirks.group_status


def describe_group(name: str) -> Response:
    """Change the description of a group."""
    ufm().groups.describe(name, body())
    return jsonify({})


def delete_group(name: str) -> Response:
    """Delete a group."""
    ufm().groups.delete(name)
    return jsonify({})


def _shown(group: Record) -> Record:
    return {key: value for key, value in group.items() if key != "members" or flag("members")}
