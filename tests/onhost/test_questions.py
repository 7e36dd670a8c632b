"""Questions on their way from the operator's machine to the probe."""

import json

import pytest

from onhost import questions
from onhost.questions import (
    BmcQuestion,
    DnsQuestion,
    HttpQuestion,
    NtpQuestion,
    Question,
    ShellQuestion,
    TcpQuestion,
    decode_questions,
    encode_questions,
)

EXAMPLES: dict[str, Question] = {
    "shell": ShellQuestion("a", "true"),
    "tcp": TcpQuestion("b", "192.0.2.1", [22, 443]),
    "http": HttpQuestion("c", "https://192.0.2.1/v2/", [200, 401], "PEM", True),
    "dns": DnsQuestion("d", "192.0.2.1", "example.org", 5353),
    "ntp": NtpQuestion("e", "192.0.2.1", 1123),
    "bmc": BmcQuestion("f", "192.0.2.1", "admin", "calvin", 1623),
}


def test_the_probe_reads_the_questions_that_the_doctor_writes() -> None:
    given = list(EXAMPLES.values())
    assert decode_questions(encode_questions(given)) == given


@pytest.mark.parametrize("kind", questions.QUESTIONS)
def test_a_question_is_written_with_its_kind(kind: str) -> None:
    (fields,) = json.loads(encode_questions([EXAMPLES[kind]]))
    assert fields == {"kind": kind, **EXAMPLES[kind]._asdict()}


def test_ports_are_those_of_the_protocols() -> None:
    dns, ntp, bmc = DnsQuestion("d", "h", "n"), NtpQuestion("n", "h"), BmcQuestion("b", "h", "u", "p")
    assert (dns.port, ntp.port, bmc.port) == (53, 123, 623)
    assert (HttpQuestion("c", "u", []).ca, HttpQuestion("c", "u", []).insecure) == ("", False)
