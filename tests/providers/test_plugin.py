"""The plugin's process: it serves until its engine has gone. gRPC's objects are imitated."""

import io
import sys
import threading
from collections.abc import Callable
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.runtime import _grpc_settings
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

from providers.ufm import plugin

READY, CONNECTING, IDLE = (getattr(grpc.ChannelConnectivity, name) for name in ("READY", "CONNECTING", "IDLE"))
FAILED = grpc.ChannelConnectivity.TRANSIENT_FAILURE


class Channel:
    """A channel to an engine whose states a test tells."""

    def __init__(self) -> None:
        self.tell: Callable[[Any], None] = lambda state: None
        self.connects, self.closed = False, False

    def subscribe(self, callback: Callable[[Any], None], try_to_connect: bool = False) -> None:
        self.tell, self.connects = callback, try_to_connect

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


def test_an_engine_is_lost_once_it_was_connected_and_is_no_longer() -> None:
    channel = Channel()
    lost = plugin.connection_lost(channel)
    assert channel.connects
    for state, gone in ((IDLE, False), (CONNECTING, False), (FAILED, False), (READY, False), (READY, False)):
        channel.tell(state)
        assert lost.is_set() == gone
    channel.tell(CONNECTING)
    assert lost.is_set()


def test_the_limits_are_those_of_the_engine_and_of_grpc() -> None:
    assert plugin.MESSAGE == [("grpc.max_receive_message_length", _grpc_settings._MAX_RPC_MESSAGE_SIZE)]
    assert plugin.STAY_CONNECTED == [("grpc.client_idle_timeout_ms", 0x7FFFFFFF)], "the largest int that gRPC takes"


class Server:
    """A server of gRPC that records what happens to it."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def add_insecure_port(self, address: str) -> int:
        self.events.append(address)
        return 4711

    def start(self) -> None:
        self.events.append("start")

    def stop(self, grace: float) -> "Server":
        self.events.append(("stop", grace))
        return self

    def wait(self) -> None:
        self.events.append("wait")


def test_the_plugin_serves_until_the_engine_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    told = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(told))
    channel, server, made = Channel(), Server(), dict[str, Any]()

    def serve(pool: Any, options: Any) -> Server:
        made.update(calls=pool._max_workers, options=options)
        return server

    class Lost(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is None
            server.events.append(told.getvalue())  # the engine waits for it at a pipe, so it must not stay in a buffer
            return True

    def connect(address: str, options: Any) -> Channel:
        made.update(engine=(address, options))
        return channel

    monkeypatch.setattr(grpc, "insecure_channel", connect)
    monkeypatch.setattr(grpc, "server", serve)
    monkeypatch.setattr(plugin, "connection_lost", lambda of: Lost() if of is channel else None)
    monkeypatch.setattr(engine_pb2_grpc, "EngineStub", lambda of: ("engine", of))
    monkeypatch.setattr(
        provider_pb2_grpc,
        "add_ResourceProviderServicer_to_server",
        lambda served, of: made.update(served=served, of=of),
    )
    monkeypatch.setattr(plugin.Plugin, "Cancel", lambda *_: server.events.append("cancel"))
    monkeypatch.setattr(sys, "argv", ["plugin", "--logtostderr", "127.0.0.1:5"])
    plugin.main()
    assert server.events == ["127.0.0.1:0", "start", b"4711\n", "cancel", ("stop", plugin.GRACE_SECONDS), "wait"]
    assert made["engine"] == ("127.0.0.1:5", plugin.STAY_CONNECTED)
    assert (made["calls"], made["options"], made["of"]) == (plugin.CALLS, plugin.MESSAGE, server)
    assert made["served"]._engine == ("engine", channel)
    assert channel.closed
