"""The plugin that the engine starts for UFM's resources: Pulumi's provider protocol, spoken for the kinds of this room.

The SDK's generated servicer is used as it is. `pulumi.provider.experimental`, one layer above, was tried: it shows
every error as "Unexpected <class …>" and has no way to say something about a resource.

    Configure    Settings and one Client for all calls; eight calls at a time
    Check, Diff  what the kind says, as the engine wants it
    Create       in a preview: what the kind would meet at UFM, e.g. a partition that exists and differs
    Cancel       whoever waits gives up

Failures reach the user as one line, the error's own; the rest of a traceback goes nowhere.
"""

import asyncio
import functools
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf.empty_pb2 import Empty  # type: ignore[import-untyped]
from google.protobuf.struct_pb2 import Struct  # type: ignore[import-untyped]
from pulumi.output import Unknown
from pulumi.runtime import proto, rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from providers.ufm import inventory
from providers.ufm.admin import AdminPasswordKind
from providers.ufm.errors import ConfigurationError, UfmError
from providers.ufm.gate import PKeyGateKind
from providers.ufm.pkey import PKeyKind
from providers.ufm.provider import Kind, Props, Session, Settings
from providers.ufm.token import AccessTokenKind

VERSION = "0.1.0"
KINDS: dict[str, type[Kind]] = {
    kind.urn_type: kind for kind in (PKeyKind, PKeyGateKind, AccessTokenKind, AdminPasswordKind)
}

CALLS = 8
"""At a time. The engine asks for as many as the program has resources; UFM serves a write at a time."""

MESSAGE = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
"""As the SDK's own servers have it: partitions may be large, gRPC's default is 4 MiB."""

SEVERITIES = {"info": engine_pb2.INFO, "progress": engine_pb2.INFO, "warning": engine_pb2.WARNING}


def props(struct: Struct) -> Props:
    """Properties as a kind takes them: unknown values as `Unknown`, no secrets (the engine keeps their marks)."""
    found: Props = rpc.deserialize_properties(struct, keep_unknowns=True)
    return {key: rpc.unwrap_rpc_secret(value) for key, value in found.items()}


def struct(properties: Props) -> Struct:
    """Properties as they go over the wire; None vanishes."""
    sent: Struct = asyncio.run(rpc.serialize_properties(properties, {}))
    return sent


def in_one_line(call: Callable[..., Any]) -> Callable[..., Any]:
    """UFM's errors as the user shall read them; others with their type, for they are ours to mend."""

    @functools.wraps(call)
    def told(self: "Plugin", request: Any, context: Any) -> Any:
        try:
            return call(self, request, context)
        except UfmError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except Exception as error:
            context.abort(grpc.StatusCode.INTERNAL, f"UFM provider: {type(error).__name__} in {call.__name__}: {error}")

    return told


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """One UFM; the engine starts a process for each `Provider` of the program."""

    def __init__(self, engine: Any) -> None:
        """`engine`: its gRPC stub, for messages to the user."""
        self._engine = engine
        self._session: Session

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return proto.PluginInfo(version=VERSION)

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What is wrong with a `Provider` is told before anything is planned."""
        inputs = props(request.news)
        failures = []
        if not any(isinstance(value, Unknown) for value in inputs.values()):
            try:
                Settings.of(inputs)
            except UfmError as error:
                failures.append(proto.CheckFailure(reason=str(error)))
        return proto.CheckResponse(inputs=request.news, failures=failures)

    @in_one_line
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._session = Session.of(Settings.of(props(request.args)))
        return proto.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    @in_one_line
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        inputs, failures = self._kind(request.urn).check(props(request.news))
        told = [proto.CheckFailure(property=f.property, reason=f.reason) for f in failures]
        return proto.CheckResponse(inputs=struct(inputs), failures=told)

    @in_one_line
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        diff = self._kind(request.urn).diff(props(request.olds), props(request.news))
        changes = proto.DiffResponse.DIFF_SOME if diff.changes else proto.DiffResponse.DIFF_NONE
        return proto.DiffResponse(
            changes=changes, replaces=diff.replaces, deleteBeforeReplace=diff.delete_before_replace
        )

    @in_one_line
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind, news = self._kind(request.urn), props(request.properties)
        if request.preview:
            kind.preview(news)
            return proto.CreateResponse(properties=request.properties)
        made = kind.create(news)
        return proto.CreateResponse(id=made.id, properties=struct(made.outs))

    @in_one_line
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        kind, olds = self._kind(request.urn), props(request.properties)
        if not olds and not kind.importable:
            raise ConfigurationError(f"{kind.urn_type} has no ID to import it by", remedy="let `pulumi up` make it")
        found = kind.read(request.id, olds)
        if found is None:
            return proto.ReadResponse()
        return proto.ReadResponse(id=found.id, properties=struct(found.outs), inputs=struct(found.inputs))

    @in_one_line
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.preview:
            return proto.UpdateResponse(properties=request.news)
        outs = self._kind(request.urn).update(props(request.olds), props(request.news))
        return proto.UpdateResponse(properties=struct(outs))

    @in_one_line
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._kind(request.urn).delete(props(request.properties))
        return Empty()

    @in_one_line
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.tok != inventory.FUNCTION:
            raise ConfigurationError(f"no function {request.tok}", remedy=f"call {inventory.FUNCTION}")
        found = inventory.answer(self._session.client, props(request.args))
        return proto.InvokeResponse(**{"return": struct(found)})

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._session.cancelled.set()
        return Empty()

    def _kind(self, urn: str) -> Kind:
        # urn:pulumi:stack::project::parent$parent$ufm:index:PKey::name
        urn_type = urn.split("::")[2].rpartition("$")[2]

        def say(how: str, text: str) -> None:
            self._engine.Log(
                engine_pb2.LogRequest(severity=SEVERITIES[how], message=text, urn=urn, ephemeral=how == "progress")
            )

        return KINDS[urn_type](self._session, say)


def main() -> None:
    """Serves on a loopback port of the system's choice, told on stdout, until the engine ends the process."""
    engine_address = sys.argv[-1]
    with grpc.insecure_channel(engine_address) as channel:
        server = grpc.server(futures.ThreadPoolExecutor(CALLS), options=MESSAGE)
        plugin = Plugin(engine_pb2_grpc.EngineStub(channel))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
