"""How things are spelled: GUIDs and PKeys as the fabric does, whatever a person wrote; texts that end up in commands.

UFM answers GUIDs as 16 lower-case hex digits and PKeys unpadded with `0x`; people copy them from labels, `ibstat` and
spreadsheets with `0x`, colons, dashes or upper case. Everything in the plan uses the one spelling made here.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

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

    Numbers are taken as they are, texts as hex with or without `0x`.

    Raises:
        ValueError: it is no hex number, or lies outside 0x1..0x7ffe.
    """
    digits = f"{value:x}" if type(value) is int else str(value).strip().lower().removeprefix("0x")
    number = int(digits, 16) & ~FULL_MEMBER if re.fullmatch(r"[0-9a-f]{1,4}", digits) else 0
    if not 1 <= number <= PKEY_MAX:
        raise ValueError(f"found {value!r}; write a PKey from '0x1' to '0x7ffe' (0x7fff is UFM's own)")
    return hex(number)


@dataclass(frozen=True)
class Kind:
    """What a value is, in words: metadata of a type, for error messages and the documentation."""

    description: str


@dataclass(frozen=True)
class Text(Kind):
    """A text of one spelling. Anything in it may reach a shell, an INI file or a template, so each kind is narrow."""

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError
        return value


def _quoted(value: object) -> object:
    # YAML reads 0011223344556677 as a number and loses its zeros: insist on a string.
    if not isinstance(value, str):
        raise ValueError(f"found the number {value!r}; put the GUID in quotes" if type(value) is int else "")
    return value


Guid = Annotated[str, BeforeValidator(_quoted), AfterValidator(guid), Kind("a port GUID like 'b8599f0300b00011'")]
"""A GUID in configuration, any customary spelling, in quotes."""

Mac = Annotated[
    str,
    Text("an Ethernet address like '52:54:00:00:00:01'", r"(?i)([0-9a-f]{2}:){5}[0-9a-f]{2}"),
    AfterValidator(str.lower),
]

Interface = Annotated[str, Text("an interface name like 'eno1'", r"[a-z][a-z0-9._-]{0,14}")]

IbInterface = Annotated[str, Text("an IPoIB interface name of 10 letters at most, like 'ib2'", r"[a-z][a-z0-9_-]{0,9}")]
"""Its PKey children are called `ib2.800c`, and Linux gives a name 15 letters."""

Hostname = Annotated[
    str,
    Text(
        "a host name like 'rdo-director.localdomain'",
        r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
    ),
]

Label = Annotated[str, Text("a name like 'compute-1'", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")]
"""One label of a host name, short enough for TripleO to put its own beside it."""

Name = Annotated[str, Text("a name like 'vm1_gpu'", r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")]

User = Annotated[str, Text("a user name like 'stack'", r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")]

Folder = Annotated[str, Text("an absolute path like '/var/ufm_files'", r"(/[A-Za-z0-9._-]+)+/?")]

HostFile = Annotated[
    str, Text("an absolute path of a file on the host, like '/root/ufm-6.14.5-2.tar.gz'", r"(/[A-Za-z0-9._+-]+)+")
]

ContainerImage = Annotated[
    str, Text("a container image like 'mellanox/ufm-enterprise:6.14.5-2'", r"[a-z0-9][A-Za-z0-9._/:@-]*")
]

ContainerTag = Annotated[str, Text("a tag in quotes, like '17.1'", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")]

RegistryUser = Annotated[str, Text("a registry's user like 'robot$rack'", r"[A-Za-z0-9][A-Za-z0-9_.@+$|-]*")]
"""Robot and service accounts have a $, + or | in their names."""

RepositoryId = Annotated[str, Text("a repository's name like 'baseos'", r"[A-Za-z0-9][A-Za-z0-9_.:-]*")]

Url = Annotated[
    str,
    Text(
        "a URL like 'https://mirror.example/wallaby'", r"(https?://[A-Za-z0-9.-]+(:\d+)?|file://)/[A-Za-z0-9._~/$%+-]*"
    ),
]
"""Without a user or a password."""


def image_tag(image: str) -> str:
    """The tag of a container image's name; empty where it has none: `registry:5000/ufm@sha256:…` → ''."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


PciAddress = Annotated[str, Text("a PCI address like 'c5:00.0'", r"([0-9a-f]{4}:)?[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]")]

ParameterName = Annotated[str, Text("a firmware parameter like 'PCI_WR_ORDERING'", r"[A-Z][A-Z0-9_]{1,62}")]

FirmwareRelease = Annotated[str, Text("a firmware release in quotes, like '20.32.1010'", r"\d{1,3}\.\d{1,4}\.\d{1,5}")]

HexId = Annotated[str, Text("four hex digits in quotes, like '10de'", r"[0-9a-f]{4}")]

KernelArgs = Annotated[str, Text("kernel arguments like 'amd_iommu=on iommu=pt'", r"[A-Za-z0-9_.,:=/ -]*")]

Timezone = Annotated[str, Text("a time zone like 'Europe/Berlin'", r"[A-Za-z0-9_+/-]+")]


def cpus(text: str) -> frozenset[int]:
    """The CPUs of a list in Linux's spelling: `0-1,4` → {0, 1, 4}.

    Raises:
        ValueError: a range ends before it starts, or the text is no such list.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers:
            raise ValueError(f"found {part!r}; write the lower CPU first")
        found.update(numbers)
    return frozenset(found)


def _cpu_list(text: str) -> str:
    cpus(text)
    return text


CpuList = Annotated[
    str,
    Text("a list of CPUs in quotes, like '2-31,34-63'", r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*"),
    AfterValidator(_cpu_list),
]
