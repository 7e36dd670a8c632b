"""GUIDs and PKeys as the fabric spells them, whatever a person wrote.

UFM answers GUIDs as 16 lower-case hex digits and PKeys unpadded with `0x`; people copy them from labels, `ibstat` and
spreadsheets with `0x`, colons, dashes or upper case. Everything in the plan uses the one spelling made here.
"""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

PKEY_MAX = 0x7FFE
"""The greatest PKey a partition may have: 0x7fff is UFM's own management partition (ufm-rest-api: 2.4)."""

FULL_MEMBER = 0x8000
"""The bit that marks full membership in a port's P_Key table; never part of a partition's number."""


def guid(value: object) -> str:
    """The GUID as 16 lower-case hex digits.

    Raises:
        ValueError: it is no 64-bit GUID, or it is all zeros.
    """
    digits = re.sub(r"[:.\s-]", "", str(value)).lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{16}", digits) or int(digits, 16) == 0:
        raise ValueError(f"found {value!r}; write a port GUID of 16 hex digits, like 'b8599f0300b00011' in `ibstat`")
    return digits


def pkey(value: object) -> str:
    """The partition's number as UFM spells it: `0x65`, without padding and without the membership bit.

    Raises:
        ValueError: it is no hex number, or lies outside 0x1..0x7ffe.
    """
    try:
        number = value if isinstance(value, int) else int(str(value), 16)
    except ValueError:
        number = 0
    number = number & ~FULL_MEMBER if number > 0 else 0
    if not 1 <= number <= PKEY_MAX:
        raise ValueError(f"found {value!r}; write a PKey from '0x1' to '0x7ffe' (0x7fff is UFM's own)")
    return hex(number)


def _quoted(value: object) -> object:
    # YAML reads 0011223344556677 as a number and loses its zeros: insist on a string.
    if not isinstance(value, str):
        raise ValueError(f"found the number {value!r}; put the GUID in quotes")
    return value


Guid = Annotated[str, BeforeValidator(_quoted), AfterValidator(guid)]
"""A port GUID in configuration, any customary spelling, in quotes."""

Mac = Annotated[str, AfterValidator(lambda v: _mac(v))]
"""An Ethernet address, `aa:bb:cc:dd:ee:ff`."""


def _mac(value: str) -> str:
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", value):
        raise ValueError(f"found {value!r}; write an Ethernet address like '52:54:00:00:00:01'")
    return value.lower()
