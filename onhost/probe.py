"""Look at a host and at what it reaches, and change nothing. `rack doctor` runs it over SSH; it is not stored.

    standard input     questions, see `onhost.questions`
    standard output    a JSON object: id → {"ok": bool, "text": what was found}

All questions are asked at the same time. Passwords are in the input only.
"""

import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Callable, Dict, Sequence, Tuple, Type

from onhost.questions import (
    BmcQuestion,
    DnsQuestion,
    HttpQuestion,
    NtpQuestion,
    Question,
    ShellQuestion,
    TcpQuestion,
    decode_questions,
)

SECONDS = 8
"""Limit of one attempt to reach something."""
OPEN_SESSION, RAKP_1 = 0x10, 0x12
"""Types of RMCP+ payloads; the answer has the next number (IPMI 2.0, table 13-16)."""
SUITES = ((1, 1, hashlib.sha1), (3, 4, hashlib.sha256))
"""Authentication and integrity algorithm of cipher suites 3 and 17, and their hash (IPMI 2.0, table 22-20)."""
ADMINISTRATOR = 0x14
"""Role in RAKP message 1: the administrator with this name."""
NO_SUCH_USER, NO_SUCH_SUITE = 0x0D, 0x11
"""RMCP+ status codes (IPMI 2.0, table 13-15)."""

Result = Tuple[bool, str]


def shell(script: str) -> Result:
    """Run a script that only reads, as root."""
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    done = subprocess.run(  # noqa: UP022 - Python 3.6 has no capture_output
        [*root, "sh", "-s"],
        input=script.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=4 * SECONDS,
        check=False,
    )
    text = done.stdout if done.returncode == 0 else done.stderr or done.stdout
    return done.returncode == 0, text.decode(errors="replace").strip()


def tcp(host: str, ports: Sequence[int]) -> Result:
    """Connect to the first of `ports` that accepts a connection."""
    problem = ""
    for port in ports:
        try:
            socket.create_connection((host, port), SECONDS / len(ports)).close()
        except OSError as error:
            problem = str(error)
        else:
            return True, str(port)
    return False, problem


def http(url: str, accepted: Sequence[int], ca: str = "", insecure: bool = False) -> Result:
    """Request a URL; `accepted` statuses are success."""
    if not url.startswith(("http://", "https://")):
        return False, "not a URL of HTTP"
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca)
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=SECONDS, context=context) as answer:  # noqa: S310 - checked above
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    return status in accepted, f"status {status}"


def dns(host: str, name: str, port: int = 53) -> Result:
    """Ask a name server for an address of `name`; the answer that there is none counts too."""
    question = b"".join(struct.pack("B", len(part)) + part.encode() for part in name.split(".")) + b"\0"
    query = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + question + struct.pack(">2H", 1, 1)
    answer = _ask(host, port, query)
    return answer[:2] == query[:2], "it answers"


def ntp(host: str, port: int = 123) -> Result:
    """Ask a time server; it must be synchronised (RFC 5905: stratum 1 to 15)."""
    answer = _ask(host, port, b"\x23" + 47 * b"\0")
    stratum = answer[1] if len(answer) >= 48 else 0
    return 1 <= stratum <= 15, f"stratum {stratum}"


def bmc(host: str, user: str, password: str, port: int = 623) -> Result:
    """Check the login of a BMC. The session is not opened: RAKP message 2 already proves the password."""
    for authentication, integrity, digest in SUITES:
        opened = _rmcp(host, port, OPEN_SESSION, _open_session(authentication, integrity))
        if opened[1] == NO_SUCH_SUITE:
            continue
        if opened[1]:
            return False, f"it refuses a session with status 0x{opened[1]:02x}"
        return _login(host, port, opened[8:12], user, password, digest)
    return False, "it supports neither of the cipher suites 3 and 17"


CONSOLE = b"rack"
"""Our session ID."""


def _open_session(authentication: int, integrity: int) -> bytes:
    algorithms = ((0, authentication), (1, integrity), (2, 1))
    return b"\0\0\0\0" + CONSOLE + b"".join(struct.pack("<BHBBHB", kind, 0, 8, n, 0, 0) for kind, n in algorithms)


def _login(host: str, port: int, session: bytes, user: str, password: str, digest: Any) -> Result:
    name, challenge = user.encode(), os.urandom(16)
    tail = struct.pack("B", ADMINISTRATOR)
    length = struct.pack("B", len(name))
    answer = _rmcp(host, port, RAKP_1, b"\0\0\0\0" + session + challenge + tail + b"\0\0" + length + name)
    if answer[1] == NO_SUCH_USER:
        return False, f"it has no administrator {user}"
    if answer[1]:
        return False, f"it refuses the login with status 0x{answer[1]:02x}"
    signed = CONSOLE + session + challenge + answer[8:40] + tail + length + name
    proof = hmac.new(password.encode(), signed, digest).digest()
    return hmac.compare_digest(proof, answer[40 : 40 + len(proof)]), f"the password of {user} is wrong"


def _rmcp(host: str, port: int, kind: int, payload: bytes) -> bytes:
    """Send one RMCP+ message outside of a session and return the answer's payload."""
    message = b"\x06\x00\xff\x07\x06" + struct.pack("<BIIH", kind, 0, 0, len(payload)) + payload
    answer = _ask(host, port, message)
    if len(answer) < 24 or answer[5] != kind + 1:
        raise OSError("it does not speak IPMI 2.0")
    return answer[16:]


def _ask(host: str, port: int, message: bytes) -> bytes:
    """Return the answer to a datagram, which is sent twice if the first one is not answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(SECONDS / 4)
        peer.connect((host, port))
        for _ in range(2):
            peer.send(message)
            with suppress(socket.timeout):
                return peer.recv(4096)
    raise OSError("no answer")


ANSWERS: Dict[Type[Any], Callable[..., Result]] = {
    ShellQuestion: shell,
    TcpQuestion: tcp,
    HttpQuestion: http,
    DnsQuestion: dns,
    NtpQuestion: ntp,
    BmcQuestion: bmc,
}
"""Type of a question to the function that answers it; the arguments are the question's other fields."""


def ask(question: Question) -> Dict[str, Any]:
    """Answer one question; what cannot be reached is not ok."""
    _, *given = question
    try:
        ok, text = ANSWERS[type(question)](*given)
    except (OSError, subprocess.SubprocessError) as error:
        ok, text = False, str(getattr(error, "reason", error)) or type(error).__name__
    return {"ok": ok, "text": text[-2000:]}


def main() -> int:
    """Answer all questions on standard input."""
    questions = decode_questions(sys.stdin.read())
    with ThreadPoolExecutor(max(1, len(questions))) as pool:
        answers = list(pool.map(ask, questions))
    json.dump({question.id: answer for question, answer in zip(questions, answers)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
