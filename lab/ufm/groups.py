"""UFM's groups: named sets of systems or ports, each with a description."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from lab.ufm.errors import BadRequestError, NotFoundError

TYPES = ("General", "Rack", "Port")
NAME_LENGTH = 255


class Groups:
    """The groups of one UFM. Thread-safe."""

    def __init__(self, stored: Mapping[str, Any], lock: threading.RLock, save: Callable[[], None]) -> None:
        """Read what `dump` returned.

        Args:
            stored: the content of UFM's state file.
            lock: protects the state file.
            save: writes the state file; called with `lock` held.
        """
        self._lock, self._save = lock, save
        self._groups: dict[str, dict[str, Any]] = dict(stored.get("groups", {}))

    def dump(self) -> dict[str, Any]:
        """Return the groups for the state file."""
        return {"groups": self._groups}

    def all(self) -> list[dict[str, Any]]:
        """Return every group with its members."""
        with self._lock:
            return [dict(group) for group in self._groups.values()]

    def one(self, name: str) -> dict[str, Any]:
        """Return a group with its members.

        Raises:
            NotFoundError: there is no such group.
        """
        with self._lock:
            if name not in self._groups:
                raise NotFoundError(f"no group {name!r}")
            return dict(self._groups[name])

    def create(self, fields: Mapping[str, Any]) -> None:
        """Create a group.

        Raises:
            BadRequestError: a field is missing or invalid, or the group exists.
        """
        name, kind, members = fields.get("name"), fields.get("type"), fields.get("members", [])
        if not isinstance(name, str) or not 0 < len(name) <= NAME_LENGTH or not name.replace("_", "").isalnum():
            raise BadRequestError(f"name: {name!r}: write letters, digits or underscores")
        if kind not in TYPES:
            raise BadRequestError(f"type: {kind!r}: one of {', '.join(TYPES)}")
        if not isinstance(members, list):
            raise BadRequestError("members: write a list")
        description = _description(fields, "")
        with self._lock:
            if name in self._groups:
                raise BadRequestError(f"group {name!r} exists")
            group = {"description": description, "type": kind, "severity": "Info", "members": members, "name": name}
            self._groups[name] = group
            self._save()

    def describe(self, name: str, fields: Mapping[str, Any]) -> None:
        """Change the description, the only field that an update changes.

        Raises:
            BadRequestError: the body has another field, or no description.
            NotFoundError: there is no such group.
        """
        if set(fields) != {"description"}:
            raise BadRequestError("write description, and nothing else")
        with self._lock:
            self.one(name)
            self._groups[name]["description"] = _description(fields, None)
            self._save()

    def delete(self, name: str) -> None:
        """Delete a group.

        Raises:
            NotFoundError: there is no such group.
        """
        with self._lock:
            self.one(name)
            del self._groups[name]
            self._save()


def _description(fields: Mapping[str, Any], default: str | None) -> str:
    found = fields.get("description", default)
    if not isinstance(found, str):
        raise BadRequestError("description: write a text")
    return found
