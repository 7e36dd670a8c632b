"""Owner marks: the text in an object of the cloud that names the stack and the resource it was created for.

A mark is part of the request that creates the object. So an object whose create was never answered is still known: its
stack by the random ID, its resource by the name.
"""

import re
from dataclasses import dataclass

KEY = "rack_owner"
"""Key of the mark in the metadata of a server and in the properties of an image."""
ID = re.compile("[0-9a-f]{8}")
"""A stack's ID: 32 random bits, drawn once."""

_MARK = re.compile(f"rack ({ID.pattern}) ([^ ]+)")


@dataclass(frozen=True)
class Mark:
    """The owner of an object of the cloud."""

    stack_id: str
    """ID of the stack, eight hexadecimal digits."""
    resource: str
    """Name of the resource within the stack: tenant-network."""

    def __str__(self) -> str:
        """Return the text of the mark; Neutron's descriptions take 255 characters."""
        return f"rack {self.stack_id} {self.resource}"


def parse(text: str | None) -> Mark | None:
    """Return the mark that a description or a property contains, None if it is another text."""
    found = _MARK.fullmatch(text or "")
    return Mark(found[1], found[2]) if found else None
