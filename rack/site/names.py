"""Spelling of GUIDs, PKeys, CPU lists and of the strings that become part of commands and files.

UFM returns GUIDs as 16 lower-case hex digits and PKeys with `0x`, unpadded. Operators copy them from labels, `ibstat`
and spreadsheets with `0x`, colons, dashes or upper case. This module normalizes every spelling to UFM's, so
that the plan contains no other.
"""

import base64
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Address
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rack.site import patterns

PKEY_MAX = 0x7FFE
"""Highest PKey of a partition. 0x7fff is UFM's management partition (NVIDIA, UFM REST API: PKey GUIDs)."""

FULL_MEMBER = 0x8000
"""Bit that marks full membership in a port's P_Key table; not part of the partition's number."""


def guid(value: object) -> str:
    """Return the GUID as 16 lower-case hex digits.

    Raises:
        ValueError: the value is not a 64-bit GUID, or all its bits are equal.
    """
    digits = re.sub(r"[:.\s-]", "", str(value)).lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{16}", digits) or int(digits, 16) in (0, 2**64 - 1):
        raise ValueError(f"found {value!r}; write a port GUID of 16 hex digits, like 'b8599f0300b00011' in `ibstat`")
    return digits


def pkey(value: object) -> str:
    """Return the PKey as UFM spells it: `0x65`, without padding and without the membership bit.

    An integer is the PKey's value (or a VLAN); a string is hex, with or without `0x`.

    Raises:
        ValueError: the value is not a hex number from 0x1 to 0x7ffe.
    """
    digits = f"{value:x}" if type(value) is int else str(value).strip().lower().removeprefix("0x")
    number = int(digits, 16) & ~FULL_MEMBER if re.fullmatch(r"[0-9a-f]{1,4}", digits) else 0
    if not 1 <= number <= PKEY_MAX:
        raise ValueError(f"found {value!r}; write a PKey from '0x1' to '0x7ffe' (0x7fff is UFM's own)")
    return hex(number)


@dataclass(frozen=True)
class Kind:
    """Metadata of a type: a description of its values, for error messages and the documentation."""

    description: str


@dataclass(frozen=True)
class Spelling:
    """Metadata of a type: the pattern of all values that its validators accept, for the JSON Schema."""

    pattern: str


@dataclass(frozen=True)
class Known:
    """Metadata of a type: the values that are well known, among others, for an editor's completion."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Hidden:
    """Metadata of a type whose values no message shows: they may contain passwords."""


@dataclass(frozen=True)
class Text(Kind):
    """Metadata of a string type: the description, and the pattern that values match.

    Values become part of shell commands, INI files and templates, so each pattern is as narrow as possible.
    """

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError
        return value


def _quoted(value: object) -> object:
    # YAML reads 0011223344556677 as a number and drops the zeros, so numbers are refused.
    if not isinstance(value, str):
        raise ValueError(f"found the number {value!r}; put the GUID in quotes" if type(value) is int else "")
    return value


Guid = Annotated[
    str,
    BeforeValidator(_quoted),
    AfterValidator(guid),
    Kind("a port GUID like 'b8599f0300b00011'"),
    Spelling(patterns.GUID),
]
"""GUID as a quoted string, in any common spelling."""


def _interface_mac(mac: str) -> str:
    if int(mac[:2], 16) & 1 or not mac.strip("0:"):
        raise ValueError(f"found {mac!r}, a multicast or null address; write the address of the node's interface")
    return mac.lower()


Mac = Annotated[
    str,
    Text("an Ethernet address like '52:54:00:00:00:01'", r"(?i)([0-9a-f]{2}:){5}[0-9a-f]{2}"),
    AfterValidator(_interface_mac),
    Spelling(patterns.MAC),
]

Interface = Annotated[
    str,
    Text("an interface name of up to 15 lower-case letters, digits and . _ -, like 'eno1'", r"[a-z][a-z0-9._-]{0,14}"),
]

IbInterface = Annotated[
    str,
    Text("an IPoIB interface name of up to 10 lower-case letters, digits and _ -, like 'ib2'", r"[a-z][a-z0-9_-]{0,9}"),
]
"""10 characters: its PKey children add 5 to the name (`ib2.800c`), and Linux limits names to 15."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_TOP = rf"(?!\d+$)(?!localhost$){_LABEL}"
"""The last label. An address has digits only, and every name below localhost is the host itself (RFC 6761)."""

Domain = Annotated[
    str, Text("a domain of lower-case letters, digits, - and ., like 'localdomain'", rf"({_LABEL}\.)*{_TOP}")
]

Hostname = Annotated[
    str,
    Text(
        "a host name with its domain, of up to 64 lower-case letters, digits, - and ., like 'director.localdomain'",
        rf"(?=.{{1,64}}$)({_LABEL}\.)+{_TOP}",
    ),
]
"""Linux limits host names to 64 characters, and TripleO's undercloud needs a domain."""


def is_host(address: IPv4Address) -> bool:
    """Return whether a host may have the address. 0.0.0.0/8 is "this network" (RFC 791, RFC 6890)."""
    this_network = int(address) >> 24 == 0
    return not (address.is_multicast or address.is_reserved or this_network or address.is_link_local)


def _server(text: str) -> str:
    if text.rpartition(".")[2].isdigit() and not _is_host_address(text):
        raise ValueError(f"found {text!r}, which is no address of a host; write a host name or an IPv4 address")
    return text


def _is_host_address(text: str) -> bool:
    try:
        return is_host(IPv4Address(text))
    except ValueError:
        return False


_HOST = Spelling(rf"(?:{patterns.ADDRESS}|(?=.{{1,253}}$)({_LABEL}\.)*(?!\d+$){_LABEL})")

Server = Annotated[
    str,
    Text("a host name or an IPv4 address like 'ntp.example.com'", rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}"),
    AfterValidator(_server),
    _HOST,
]

Label = Annotated[
    str,
    Text("a name of up to 40 lower-case letters, digits and -, like 'compute-1'", r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?"),
]
"""One label of a host name, of 40 characters: TripleO adds a prefix and a suffix, and a label is limited to 63."""

Name = Annotated[
    str, Text("a name of up to 63 letters, digits and . _ -, like 'vm1_gpu'", r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
]

User = Annotated[
    str, Text("a user name of up to 32 letters, digits and . _ -, like 'stack'", r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
]


def _public_key(line: str) -> str:
    algorithm, encoded = line.split(" ")[:2]
    with suppress(ValueError):
        fields = [len(field) for field in _fields(base64.b64decode(encoded, validate=True))]
        if fields[0] == len(algorithm) and len(fields) == KEY_FIELDS[algorithm.partition("-sha2")[0]]:
            return line
    raise ValueError(f"found an incomplete key of type {algorithm}; copy the whole line of the .pub file")


def _fields(content: bytes) -> Iterator[bytes]:
    """Yield the fields of a public key, each with its length before it (RFC 4253, 6.6).

    Raises:
        ValueError: a field is incomplete.
    """
    while content:
        length = int.from_bytes(content[:4], "big")
        field, content = content[4 : 4 + length], content[4 + length :]
        if len(field) < max(length, 1):
            raise ValueError
        yield field


KEY_FIELDS = {"ssh-rsa": 3, "ssh-ed25519": 2, "ecdsa": 3}
"""Number of fields of a public key, its type included."""

PublicKey = Annotated[
    str,
    Text(
        "an OpenSSH public key like 'ssh-ed25519 AAAA… name'",
        r"(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)) AAAA[A-Za-z0-9+/]+={0,3}( [^\n]*)?",
    ),
    AfterValidator(_public_key),
]

KernelRelease = Annotated[
    str, Text("a kernel release like '4.18.0-365.el8.x86_64'", r"\d+\.\d+\.\d+(-[A-Za-z0-9._+-]{1,60})?")
]

VariableName = Annotated[str, Text("a variable of diskimage-builder like 'DIB_DHCP_TIMEOUT'", r"DIB_[A-Z0-9_]{1,60}")]
VariableValue = Annotated[
    str, Text("a text in quotes, of one line and up to 4000 characters", r"[^\n\0]{1,4000}"), Hidden()
]
UserData = Annotated[str, Hidden()]

Folder = Annotated[
    str, Text("an absolute path of letters, digits and . _ -, like '/var/ufm_files'", r"(/[A-Za-z0-9._-]+)+/?")
]

HostFile = Annotated[
    str,
    Text(
        "an absolute path of a file on the host, of letters, digits and . _ + -, like '/root/ufm-6.14.5-2.tar.gz'",
        r"(/[A-Za-z0-9._+-]+)+",
    ),
]


def _place(host: str, port: str | None) -> None:
    """Check host and port of a URL or of an image.

    Raises:
        ValueError: no host has the address, or no port has the number.
    """
    _server(host)
    if port is not None and not 1 <= int(port) <= 65535:
        raise ValueError(f"found port {port}; write a port from 1 to 65535")


def _image(name: str) -> str:
    if len(name.removesuffix(f":{image_tag(name)}").partition("@")[0]) > 255:
        raise ValueError("a name has at most 255 characters")
    host, slash, _ = name.partition("/")
    if slash and ("." in host or ":" in host):
        _place(host.partition(":")[0], host.partition(":")[2] or None)
    return name


_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"(({_LABEL}\.)*{_LABEL}(:\d{{1,5}})?/)?{_PART}(/{_PART})*"
"""Name of a container image without tag and digest (distribution: reference/regexp.go)."""

ContainerImage = Annotated[
    str,
    Text(
        "a container image, with a digest of 64 hex digits if any, like 'mellanox/ufm-enterprise:6.14.5-2'",
        _REPOSITORY + r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    ),
    AfterValidator(_image),
]

ContainerNamespace = Annotated[
    str,
    Text("a registry and namespace without tag, like 'registry.example:5000/tripleowallaby'", _REPOSITORY),
    AfterValidator(_image),
]

ContainerTag = Annotated[
    str,
    Text("a tag in quotes, of up to 128 letters, digits and . _ -, like '17.1'", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
]

RegistryUser = Annotated[
    str,
    Text(
        "a registry's user of letters, digits, . _ @ + $ - and vertical bars, like 'robot$rack'",
        r"[A-Za-z0-9][A-Za-z0-9_.@+$|-]*",
    ),
]
"""Names of robot and service accounts contain $, + or |."""

RepositoryId = Annotated[
    str,
    Text(
        "a repository's name of letters, digits and . _ : -, other than main, like 'baseos'",
        r"(?!main$)[A-Za-z0-9][A-Za-z0-9_.:-]*",
    ),
]
"""dnf takes the section [main] of a .repo file for options, and skips it in silence."""


def _url(text: str) -> str:
    place = re.match(r"https?://([^/:]+)(?::(\d+))?/", text)
    if place:
        _place(place[1].lower(), place[2])
    if ".." in text.split("/"):
        raise ValueError(f"found {text!r}; write it without ..")
    return text


_WEB = r"https?://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:\d{1,5})?"

Url = Annotated[
    str,
    Text("a URL like 'https://mirror.example/wallaby'", rf"({_WEB}|file://)/([A-Za-z0-9._~/$+-]|%[0-9A-Fa-f]{{2}})*"),
    AfterValidator(_url),
]
"""URL without user and password."""


def image_tag(image: str) -> str:
    """Return the tag of a container image's name; empty if it has none: `registry:5000/ufm@sha256:…` → ''."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


PciAddress = Annotated[
    str,
    Text(
        "the PCI address of an adapter's first function, BUS:00.0, like 'c5:00.0' (`lspci -d 15b3:`)",
        r"(?!(0000:)?00:)([0-9a-f]{4}:)?[0-9a-f]{2}:00\.0",
    ),
]
"""An adapter below a PCIe port is device 0 (PCI Express Base 3.0, 7.3.1). Its other functions are its second port,
which is not wired, and VFs. 00:00.0 is the host's own bridge."""

ServerName = Annotated[
    str,
    Text("a host name like 'ufm' or 'ufm.example.com'", rf"(?=.{{1,253}}$)({_LABEL}\.)*{_LABEL}"),
    AfterValidator(_server),
    _HOST,
]

Fingerprint = Annotated[
    str,
    Text("a SHA-256 fingerprint in quotes: 64 hex digits, also with colons", r"([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}"),
]

Sha256 = Annotated[str, Text("a SHA-256 checksum in quotes: 64 hex digits in lower case", r"[0-9a-f]{64}")]

DebianPackage = Annotated[
    str,
    Text(
        "a Debian package like 'docker.io' or 'docker-ce=5:24.0.2-1~ubuntu.18.04~bionic'",
        r"[a-z0-9][a-z0-9+.-]{1,60}(=[A-Za-z0-9.+:~-]{1,80})?",
    ),
]

OfedPackage = Annotated[
    str,
    Text(
        "the path on the host, or the URL, of a file like 'MLNX_OFED_LINUX-5.8-4.1.5.0-ubuntu18.04-x86_64.tgz'",
        rf"({_WEB})?/([A-Za-z0-9._~+%-]+/)*"
        r"MLNX_OFED_LINUX-\d+\.\d+-[\d.]+-ubuntu\d\d\.\d\d-(x86_64|aarch64)\.tgz",
    ),
    AfterValidator(_url),
]
"""NVIDIA's name of the package. It has neither user nor password."""

InstallerOption = Annotated[
    str, Text("an option like '--add-kernel-support'", r"--[a-z][a-z0-9-]{1,60}(=[A-Za-z0-9./_-]{1,60})?")
]

ParameterName = Annotated[
    str,
    Text(
        "a firmware parameter of up to 63 upper-case letters, digits and _, like 'PCI_WR_ORDERING'",
        r"[A-Z][A-Z0-9_]{1,62}",
    ),
]

FirmwareRelease = Annotated[str, Text("a firmware release in quotes, like '20.32.1010'", r"\d{1,3}\.\d{1,4}\.\d{1,5}")]

HexId = Annotated[str, Text("four hex digits in quotes, like '10de'", r"(?!0000|ffff)[0-9a-f]{4}")]

KernelArgs = Annotated[
    str,
    Text(
        "kernel arguments of letters, digits and . _ , : = / -, like 'amd_iommu=on iommu=pt'", r"[A-Za-z0-9_.,:=/ -]*"
    ),
]


def _timezone(name: str) -> str:
    known = available_timezones()  # Empty where the operator's machine has no time zones
    if known and name not in known:
        close = get_close_matches(name, known, n=1) or ["a name of `timedatectl list-timezones`"]
        raise ValueError(f"found {name!r}, which is no time zone; write {close[0]}")
    return name


Timezone = Annotated[str, Text("a time zone like 'Europe/Berlin'", r"[A-Za-z0-9_+/-]+"), AfterValidator(_timezone)]


def cpus(text: str) -> frozenset[int]:
    """Return the CPUs of a list in Linux's format: `0-1,4` → {0, 1, 4}.

    Raises:
        ValueError: a range ends before it starts, or the string is not such a list.
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
    highest = max(cpus(text))
    if highest > 8191:  # Linux's limit on x86_64: CONFIG_NR_CPUS
        raise ValueError(f"found CPU {highest}; write numbers up to 8191")
    return text


CpuList = Annotated[
    str,
    Text("a list of CPUs in quotes, like '2-31,34-63'", r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*"),
    AfterValidator(_cpu_list),
]
