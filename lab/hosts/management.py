"""The rack's management network: a BMC per machine, and the site's name server, time server and switch.

`rack doctor` asks them. They answer on the addresses of the stack's file, which are on loopback.
"""

import hashlib
import hmac
import os
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial

from lab.endpoints import Endpoint
from lab.process import LabError
from rack.site import Site

IPMI, DNS, NTP, HTTPS = 623, 53, 123, 443
"""Ports: UDP, and TCP for HTTPS."""

OPEN_SESSION, RAKP_1 = 0x10, 0x12
"""Types of RMCP+ payloads; the answer has the next number (IPMI 2.0, table 13-16)."""
NO_SUCH_USER, NO_SUCH_SUITE = 0x0D, 0x11
"""RMCP+ status codes (IPMI 2.0, table 13-15)."""
HASHES = {1: hashlib.sha1, 3: hashlib.sha256}
"""Authentication algorithm of cipher suites 3 and 17 → hash (IPMI 2.0, table 13-17)."""

Reply = Callable[[bytes], bytes]
"""Returns the answer to a datagram; an empty one is not sent."""


class Bmc:
    """The part of a BMC that opens sessions (IPMI 2.0, 13.17 to 13.21).

    Args:
        login: returns user and password.
        suites: authentication algorithms that it supports.
    """

    def __init__(self, login: Callable[[], tuple[str, str]], suites: tuple[int, ...] = (1, 3)) -> None:
        self._login, self._suites = login, suites
        self._sessions: dict[bytes, tuple[bytes, int]] = {}

    def __call__(self, message: bytes) -> bytes:
        """Return the answer to an RMCP+ message; empty if it is none, or of a session that was not opened."""
        if len(message) < 24 or message[:5] != b"\x06\x00\xff\x07\x06":
            return b""
        kind, payload = message[5], message[16:]
        answer = {OPEN_SESSION: self._open, RAKP_1: self._rakp_2}.get(kind, lambda _: b"")(payload)
        return b"\x06\x00\xff\x07\x06" + struct.pack("<BIIH", kind + 1, 0, 0, len(answer)) + answer if answer else b""

    def _open(self, payload: bytes) -> bytes:
        console, authentication = payload[4:8], payload[12]
        if authentication not in self._suites:
            return bytes([0, NO_SUCH_SUITE, 4, 0]) + console
        session = os.urandom(4)
        self._sessions[session] = console, authentication
        return bytes(4) + console + session + payload[8:]

    def _rakp_2(self, payload: bytes) -> bytes:
        session, challenge, role, user = payload[4:8], payload[8:24], payload[24:25], payload[28:]
        if session not in self._sessions:
            return b""
        console, authentication = self._sessions.pop(session)
        known, password = self._login()
        if user != known.encode():
            return bytes([0, NO_SUCH_USER, 0, 0]) + console
        tail = os.urandom(16) + b"G" * 16
        signed = console + session + challenge + tail + role + bytes([len(user)]) + user
        return bytes(4) + console + tail + hmac.new(password.encode(), signed, HASHES[authentication]).digest()


def name_server(message: bytes) -> bytes:
    """Return the answer that the name does not exist (RFC 1035, 4.1.1)."""
    return message[:2] + b"\x81\x83" + message[4:]


def time_server(_message: bytes) -> bytes:
    """Return the answer of a server of stratum 2 (RFC 5905, 7.3). Its time is zero: nothing sets a clock by it."""
    return bytes([0x24, 2]) + bytes(46)


class Management:
    """The servers of a site's management network."""

    def __init__(self, site: Site, login: Callable[[str], tuple[str, str]]) -> None:
        """Describe the servers; `login` returns user and password of a machine's BMC."""
        self._udp: list[tuple[str, str, int, Reply]] = [
            *((f"BMC of {n.name}", str(n.ipmi.address), IPMI, _bmc(login, n.name)) for n in site.nodes),
            *(("name server", str(a), DNS, name_server) for a in site.networks.provisioning.dns),
            *(("time server", str(a), NTP, time_server) for a in site.networks.provisioning.ntp),
        ]
        self._tcp = list(endpoints(site))
        self._servers: list[socketserver.BaseServer] = []

    def start(self) -> None:
        """Start all servers.

        Raises:
            LabError: an address is taken.
        """
        for user, address, port, reply in self._udp:
            self._serve(user, address, port, partial(socketserver.UDPServer, RequestHandlerClass=_datagrams(reply)))
        for user, address, port in self._tcp:
            self._serve(user, address, port, partial(_Listener, RequestHandlerClass=socketserver.BaseRequestHandler))

    def stop(self) -> None:
        """Stop all servers."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def _serve(
        self, user: str, address: str, port: int, make: Callable[[tuple[str, int]], socketserver.BaseServer]
    ) -> None:
        try:
            server = make((address, port))
        except OSError as error:
            self.stop()
            raise LabError(f"hosts: {user}: {address}:{port}: {error.strerror}; see: ss -lpn | grep {port}") from None
        threading.Thread(target=server.serve_forever, name=user, daemon=True).start()
        self._servers.append(server)


def endpoints(site: Site) -> Iterator[Endpoint]:
    """Yield the TCP addresses: the switch's web interface, if the site has its address."""
    if address := site.fabric.switch.address:
        yield Endpoint("the switch", str(address), HTTPS)


class _Listener(socketserver.TCPServer):
    allow_reuse_address = True


def _bmc(login: Callable[[str], tuple[str, str]], name: str) -> Reply:
    return Bmc(lambda: login(name))


def _datagrams(reply: Reply) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            message, peer = self.request
            if answer := reply(message):
                peer.sendto(answer, self.client_address)

    return Handler
