"""Names in place of values that differ between equal racks: IDs, addresses that Neutron chooses, tokens, times."""

import re
from dataclasses import dataclass, field

_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_TIME = r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
_ADDRESS = r"(?:\d{1,3}\.){3}\d{1,3}"
_GUID = r"(?:0x)?[0-9a-f]{16}"
_TOKEN = r"[A-Za-z0-9]{30}"  # noqa: S105 - the shape of UFM's

_SHAPES = rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|{_MAC}|(?P<ip>{_ADDRESS})|{_GUID}|{_TOKEN}"

RANDOM = re.compile(rf"(?<![\w.])(?:{_SHAPES})(?!\w)")
"""The shapes that random values have."""

GENERATED = (
    (re.compile(r"-----BEGIN ([A-Z ]+)-----[\s\S]*?-----END \1-----"), r"<PEM \1>"),
    (re.compile(r"\b(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]{40,}"), r"\1 <key>"),
    (re.compile(r"\b(content|deployment) [0-9a-f]{16}\b"), r"\1 <digest>"),
)
"""Keys and certificates, which each installation makes, and digests of documents that contain them."""


@dataclass
class Names:
    """Random value → the name of the object that has it."""

    known: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    """Values of other shapes."""

    def add(self, value: str, name: str) -> None:
        """Replace `value` by the name; do nothing for an empty one."""
        if value:
            (self.known if RANDOM.fullmatch(value) else self.others)[value] = f"<{name}>"

    def apply(self, text: str, addresses: bool = True) -> str:
        """Return the text with names in place of random values. IDs of unknown objects become `<id>`.

        Args:
            text: of any value.
            addresses: False keeps IP addresses, for places where they come from the configuration.
        """
        for pattern, replacement in GENERATED:
            text = pattern.sub(replacement, text)
        for value, name in self.others.items():
            text = text.replace(value, name)
        return RANDOM.sub(lambda found: found[0] if found["ip"] and not addresses else self._named(found), text)

    def _named(self, found: re.Match[str]) -> str:
        other = "<id>" if found["uuid"] else "<time>" if found["time"] else found[0]
        return self.known.get(found[0], other)
