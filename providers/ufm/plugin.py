"""The plugin process: Pulumi's resource provider protocol, dispatched to the handlers of this package.

It uses the SDK's generated gRPC servicer. `pulumi.provider.experimental`, one layer above, shows every error as
"Unexpected <class …>" and cannot attach a message to a resource.

    Configure    creates the Settings and one Session for all calls; eight calls run at a time
    CheckConfig  checks the provider's inputs, and logs in to UFM if it answers
    Check, Diff  the handler's result, converted for the engine
    Create       in a preview: reports what the create would find at UFM, e.g. a partition that differs
    Cancel       ends every wait

An error reaches the user as one line without a traceback.
"""

import json
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

from . import inventory
from .admin import AdminPasswordHandler, refusal
from .detail import detailed
from .errors import ConfigurationError, UfmError
from .gate import PKeyGateHandler
from .handler import Props, ResourceHandler, Session
from .owner import PKeyOwnerGuardHandler, PKeyOwnerHandler
from .pkey import PKeyHandler
from .provider import Settings
from .schema import schema
from .token import AccessTokenHandler

VERSION = "0.1.0"
HANDLERS: dict[str, type[ResourceHandler]] = {
    handler.pulumi_type: handler
    for handler in (
        PKeyHandler,
        PKeyGateHandler,
        PKeyOwnerHandler,
        PKeyOwnerGuardHandler,
        AccessTokenHandler,
        AdminPasswordHandler,
    )
}

CALLS = 8
"""Concurrent calls. The engine would send one per resource; UFM processes writes one at a time."""

MESSAGE = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
"""The limit of the SDK's own servers in bytes: partitions may be large, and gRPC's default is 4 MiB."""

STAY_CONNECTED = [("grpc.client_idle_timeout_ms", 2**31 - 1)]
"""Without it, gRPC disconnects from the engine after 30 minutes without a message."""

GRACE_SECONDS = 60
"""Seconds for calls to UFM that are under way when the engine has gone; waits end at once."""

SEVERITIES = {"info": engine_pb2.INFO, "progress": engine_pb2.INFO, "warning": engine_pb2.WARNING}


def props(struct: Struct) -> Props:
    """Return properties as a handler takes them: `Unknown` values, no secrets (the engine keeps their marks)."""
    found: Props = rpc.deserialize_properties(struct, keep_unknowns=True)
    return {key: rpc.unwrap_rpc_secret(value) for key, value in found.items()}


def struct(properties: Props) -> Struct:
    """Return properties in their wire form, which omits None.

    No value is an output, so the SDK's coroutine ends without waiting, and needs no event loop of its own.
    """
    try:
        rpc.serialize_properties(properties, {}).send(None)
    except StopIteration as ended:
        sent: Struct = ended.value
        return sent
    raise TypeError("properties contain an output or a future")


def in_one_line(call: Callable[..., Any]) -> Callable[..., Any]:
    """Report a UfmError with its own text; report any other exception with its type, because it is a defect here."""

    def reporting(self: "Plugin", request: Any, context: Any) -> Any:
        try:
            return call(self, request, context)
        except UfmError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except Exception as error:
            context.abort(grpc.StatusCode.INTERNAL, f"UFM provider: {type(error).__name__} in {call.__name__}: {error}")

    return reporting


class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one UFM; the engine starts one process per `Provider` of the program."""

    def __init__(self, engine: Any) -> None:
        """Keep the engine's gRPC stub `engine` for messages to the user."""
        self._engine = engine
        self.session: Session | None = None
        """Open after Configure."""

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the package's version."""
        return proto.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the package's schema, for `pulumi package get-schema` and SDKs of other languages."""
        return proto.GetSchemaResponse(schema=json.dumps(schema(VERSION)))

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Report a wrong input of `Provider` before the engine plans anything, also a login that UFM refuses.

        Without the login, a wrong password would be stored by an `up` that calls UFM for nothing else, and appear in
        the next refresh. `pulumi refresh` and `pulumi destroy` do not call this.
        """
        inputs = props(request.news)
        failures = []
        if not any(isinstance(value, Unknown) for value in inputs.values()):
            try:
                reason = refusal(Settings.of(inputs))
            except UfmError as error:
                reason = str(error)
            if reason:
                failures.append(proto.CheckFailure(reason=reason))
        return proto.CheckResponse(inputs=request.news, failures=failures)

    @in_one_line
    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Open the session with UFM."""
        self.session = Session.of(Settings.of(props(request.args)))
        return proto.ConfigureResponse(acceptSecrets=False, supportsPreview=True)

    @in_one_line
    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Check a resource's inputs."""
        handler = self._handler(request.urn)
        inputs, failures = handler.check(props(request.news))
        inputs = handler.carry(props(request.olds), inputs)
        reported = [proto.CheckFailure(property=f.property, reason=f.reason) for f in failures]
        return proto.CheckResponse(inputs=struct(inputs), failures=reported)

    @in_one_line
    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compare a resource's inputs with its state."""
        state, inputs = props(request.olds), props(request.news)
        diff = self._handler(request.urn).diff(state, inputs)
        changes = proto.DiffResponse.DIFF_SOME if diff.changes else proto.DiffResponse.DIFF_NONE
        return proto.DiffResponse(
            changes=changes,
            replaces=diff.replaces,
            deleteBeforeReplace=diff.delete_before_replace,
            diffs=diff.changed,
            detailedDiff=detailed(state, inputs, diff.changed, diff.replaces),
            hasDetailedDiff=bool(diff.changed),
        )

    @in_one_line
    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Create a resource, or report in a preview what the create would find."""
        handler, inputs = self._handler(request.urn), props(request.properties)
        if request.preview:
            handler.preview(inputs)
            return proto.CreateResponse(properties=request.properties)
        created = handler.create(inputs)
        return proto.CreateResponse(id=created.id, properties=struct(created.outputs))

    @in_one_line
    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return a resource as UFM has it, for a refresh or an import."""
        handler, state = self._handler(request.urn), props(request.properties)
        if not state and not handler.importable:
            problem = f"{handler.pulumi_type} cannot be imported: it has no ID at UFM"
            raise ConfigurationError(problem, remedy="create it with `pulumi up`")
        found = handler.read(request.id, state)
        if found is None:
            return proto.ReadResponse()
        return proto.ReadResponse(id=found.id, properties=struct(found.outputs), inputs=struct(found.inputs))

    @in_one_line
    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Update a resource; a preview returns the inputs."""
        if request.preview:
            return proto.UpdateResponse(properties=request.news)
        outputs = self._handler(request.urn).update(props(request.olds), props(request.news))
        return proto.UpdateResponse(properties=struct(outputs))

    @in_one_line
    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Delete a resource."""
        self._handler(request.urn).delete(props(request.properties))
        return Empty()

    @in_one_line
    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Call a function; there is one."""
        if request.tok != inventory.FUNCTION:
            raise ConfigurationError(f"no function {request.tok}", remedy=f"call {inventory.FUNCTION}")
        found = inventory.invoke(self._configured().client, props(request.args))
        return proto.InvokeResponse(**{"return": struct(found)})

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """End every wait: the user interrupted the engine."""
        if self.session:
            self.session.cancelled.set()
        return Empty()

    def _handler(self, urn: str) -> ResourceHandler:
        # urn:pulumi:stack::project::parent$parent$ufm:index:PKey::name
        pulumi_type = urn.split("::")[2].rpartition("$")[2]

        def log(severity: str, text: str) -> None:
            ephemeral = severity == "progress"
            self._engine.Log(
                engine_pb2.LogRequest(severity=SEVERITIES[severity], message=text, urn=urn, ephemeral=ephemeral)
            )

        return HANDLERS[pulumi_type](self._configured(), log, urn)

    def _configured(self) -> Session:
        if self.session is None:
            raise ConfigurationError("the provider has not been configured", remedy="send Configure first")
        return self.session


def connection_lost(channel: Any) -> threading.Event:
    """Return an event that is set when the channel has been connected and is no longer."""
    lost, connected = threading.Event(), threading.Event()

    def note(state: grpc.ChannelConnectivity) -> None:
        if state is grpc.ChannelConnectivity.READY:
            connected.set()
        elif connected.is_set():
            lost.set()

    channel.subscribe(note, try_to_connect=True)
    return lost


def main() -> None:
    """Serve on a free loopback port, printed on stdout, until the engine ends the process or has gone.

    A killed engine ends nothing: the process would keep UFM's password in memory. Calls under way are completed.
    """
    engine_address = sys.argv[-1]
    with grpc.insecure_channel(engine_address, options=STAY_CONNECTED) as channel:
        lost = connection_lost(channel)
        server = grpc.server(futures.ThreadPoolExecutor(CALLS), options=MESSAGE)
        plugin = Plugin(engine_pb2_grpc.EngineStub(channel))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(plugin, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(port, flush=True)
        lost.wait()
        plugin.Cancel(None, None)
        server.stop(GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
