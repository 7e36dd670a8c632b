"""Patterns of the spellings that the models accept where a validator decides, for the JSON Schema.

Each is a regular expression that Python and JavaScript read alike, for a whole value.
"""

from collections.abc import Iterator

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
ANY_ADDRESS = rf"{OCTET}(?:\.{OCTET}){{3}}"
ADDRESS = (
    r"(?!0\.|169\.254\.)(?:22[0-3]|2[01][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    rf"(?:\.{OCTET}){{3}}"
)
"""Address that a host may have: not multicast, reserved, link-local or in 0.0.0.0/8 (`rack.site.names.is_host`)."""

PREFIXES = range(8, 31)
"""Prefix lengths of the rack's networks."""


def _mask(prefix: int, inverted: bool = False) -> str:
    bits = (2**32 - 1) >> prefix if inverted else (2**32 - 1) ^ ((2**32 - 1) >> prefix)
    return r"\.".join(str(byte) for byte in bits.to_bytes(4, "big"))


def _lengths(prefix: int) -> str:
    """Return the pattern of a prefix length, also as a netmask or hostmask, as Python's ipaddress accepts it."""
    return rf"(?:0*{prefix}|{_mask(prefix)}|{_mask(prefix, inverted=True)})"


def _networks() -> Iterator[str]:
    """Yield the pattern of the networks of each prefix length, without host bits."""
    for prefix in PREFIXES:
        whole, rest = divmod(prefix, 8)
        octets = [OCTET] * whole
        if rest:
            octets.append(f"(?:{'|'.join(map(str, range(0, 256, 2 ** (8 - rest))))})")
        octets += ["0"] * (4 - len(octets))
        yield r"\.".join(octets) + f"/{_lengths(prefix)}"


def _around(first: int, second: int) -> Iterator[str]:
    """Yield the pattern of each network larger than /16 that contains FIRST.SECOND.0.0."""
    for prefix in range(PREFIXES.start, 16):
        whole = second & (0xFF00 >> (prefix - 8)) & 0xFF
        yield rf"{first}\.{whole}\.0\.0/{_lengths(prefix)}$"


_SPECIAL = "|".join((r"0\.", r"169\.254\.", *_around(169, 254), r"22[4-9]\.", r"2[3-5][0-9]\."))
NETWORK = f"(?!{_SPECIAL})(?:{'|'.join(_networks())})"
"""Network of /8 to /30 without host bits, and without addresses that no host may have (`rack.site.model.SPECIAL`)."""
ROUTABLE = rf"(?!127\.){NETWORK}"
"""Network whose addresses leave a host."""
INTERFACE = rf"{ANY_ADDRESS}(?:/(?:{'|'.join([*map(_lengths, range(1, 32)), _lengths(0), _lengths(32)])}))?"
"""Address with the prefix of its network."""

_SEPARATORS = r"[:.\-\t\n \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"


def _hex(digit: str) -> str:
    return rf"(?:{digit}{_SEPARATORS}){{16}}"


_START = rf"{_SEPARATORS}(?:0{_SEPARATORS}[xX]{_SEPARATORS})?"
GUID = rf"(?!{_START}(?:{_hex('0')}|{_hex('[fF]')})$){_START}{_hex('[0-9a-fA-F]')}"
"""64-bit GUID in any common spelling; not all bits are equal (`rack.site.names.guid`)."""
MAC = r"(?!(?:00:){5}00$)[0-9a-fA-F][02468aceACE](?::[0-9a-fA-F]{2}){5}"
"""Ethernet address of an interface: neither multicast nor null."""
PATH = r"(?!(?:\./|/)*\.?$)(?![a-z+]+:/)[^/\n]{0,255}(?:/[^/\n]{0,255})*"
"""Path of one line, with a name, that is no URL."""
