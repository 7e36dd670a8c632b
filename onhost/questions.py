"""Questions of `rack doctor`: what the operator's machine asks the program `probe`, as JSON on standard input."""

import json
from typing import Any, Dict, List, NamedTuple, Sequence, Type, Union


class ShellQuestion(NamedTuple):
    """What does a script print that only reads? It runs as root."""

    id: str
    script: str


class TcpQuestion(NamedTuple):
    """Does a host accept a connection to one of these ports?"""

    id: str
    host: str
    ports: Sequence[int]


class HttpQuestion(NamedTuple):
    """Does a URL answer with one of these statuses?"""

    id: str
    url: str
    accepted: Sequence[int]
    ca: str = ""
    """Certificates of the authority, as PEM text; empty: the system's."""
    insecure: bool = False
    """Do not verify the certificate."""


class DnsQuestion(NamedTuple):
    """Does a name server answer a query for this name?"""

    id: str
    host: str
    name: str
    port: int = 53


class NtpQuestion(NamedTuple):
    """Is a time server synchronised?"""

    id: str
    host: str
    port: int = 123


class BmcQuestion(NamedTuple):
    """Does a BMC accept this login?"""

    id: str
    host: str
    user: str
    password: str
    """Never printed."""
    port: int = 623


Question = Union[ShellQuestion, TcpQuestion, HttpQuestion, DnsQuestion, NtpQuestion, BmcQuestion]
QUESTIONS: Dict[str, Type[Any]] = {
    "shell": ShellQuestion,
    "tcp": TcpQuestion,
    "http": HttpQuestion,
    "dns": DnsQuestion,
    "ntp": NtpQuestion,
    "bmc": BmcQuestion,
}
"""Kind of a question to its type."""


def encode_questions(questions: Sequence[Question]) -> str:
    """Return questions as JSON text: a list of objects with the kind and the fields of the type."""
    kinds = {type_: kind for kind, type_ in QUESTIONS.items()}
    return json.dumps([dict(question._asdict(), kind=kinds[type(question)]) for question in questions])


def decode_questions(text: str) -> List[Question]:
    """Read questions from their JSON text."""
    found = []
    for fields in json.loads(text):
        kind = fields.pop("kind")
        found.append(QUESTIONS[kind](**fields))
    return found
