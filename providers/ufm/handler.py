"""What the handlers of UFM's resources share: the session with UFM, the results, and the base class.

A handler implements the life cycle of one resource type. `check` does not use the network, because UFM may not be
installed yet when it runs, and neither does `diff`, except that of `PKeyOwner`. `preview` queries UFM, and treats no
answer as "unknown".
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

from pulumi.output import Unknown

from .client import Client
from .provider import Settings

Props = dict[str, Any]
"""Properties as the engine sends them: numbers are floats, and properties with the value None are absent."""

Log = Callable[[Literal["info", "warning", "progress"], str], None]
"""Shows a message at the resource concerned; a progress message disappears with the next one."""


@dataclass(frozen=True)
class Session:
    """The settings and clients that all calls to the plugin share."""

    settings: Settings
    client: Client
    preview_client: Client
    """Makes one attempt with short timeouts: during a preview UFM may not be installed yet."""
    cancelled: threading.Event
    """Set when the user interrupts the engine; every wait ends then."""
    options: Mapping[str, Any]
    """Options of the session's clients, see `Client`."""

    @classmethod
    def of(cls, settings: Settings, **options: Any) -> "Session":
        """Open a session; `options` replace the client's default timeouts and pauses."""
        options["cancelled"] = cancelled = threading.Event()
        preview_client = settings.client(timeout=(2, 10), pauses=())
        return cls(settings, settings.client(**options), preview_client, cancelled, options)

    def with_password(self, password: str) -> Client:
        """Return a client with another password than the configured one."""
        return self.settings.client(password, **self.options)

    def close(self) -> None:
        """Close the idle connections."""
        self.client.close()
        self.preview_client.close()


@dataclass(frozen=True)
class CheckFailure:
    """An invalid input."""

    property: str
    """Its path: `members["compute-1/ib0"]`."""
    reason: str
    """What was found and what to write instead."""


class CheckResult(NamedTuple):
    """The inputs in UFM's spelling, and all that is wrong with them."""

    inputs: Props
    failures: list[CheckFailure]


@dataclass(frozen=True)
class DiffResult:
    """How the inputs differ from the state."""

    changes: bool
    replaces: list[str] = field(default_factory=list)
    """The changed inputs that require a new object at UFM."""
    delete_before_replace: bool = False
    changed: list[str] = field(default_factory=list)
    """The inputs that differ."""


@dataclass(frozen=True)
class CreateResult:
    """The ID and the outputs of a new resource."""

    id: str
    outputs: Props


@dataclass(frozen=True)
class ReadResult:
    """A resource as UFM has it, with the inputs that would create it, for the comparison in the next preview."""

    id: str
    outputs: Props
    inputs: Props


class ResourceHandler(ABC):
    """Implements the life cycle of one resource type. The plugin creates one per call."""

    pulumi_type: ClassVar[str]
    """Its Pulumi type, e.g. ufm:index:PKey."""
    importable: ClassVar[bool] = True
    """Whether `read` needs nothing but the ID."""
    compared: ClassVar[tuple[str, ...]] = ()
    """The inputs that `diff` compares. One that the program omits is not compared."""
    replacing: ClassVar[tuple[str, ...]] = ()
    """The compared inputs whose change requires a new object at UFM."""

    def __init__(self, session: Session, log: Log, urn: str = "") -> None:
        """`urn`: of the resource, for a handler that needs the stack's name."""
        self.session, self.log, self.urn = session, log, urn

    @property
    def settings(self) -> Settings:
        """The provider's inputs."""
        return self.session.settings

    @property
    def client(self) -> Client:
        """UFM's REST API."""
        return self.session.client

    @abstractmethod
    def check(self, inputs: Props) -> CheckResult:
        """Return the inputs in UFM's spelling with all failures. No network; unknown values pass."""

    def carry(self, old: Props, inputs: Props) -> Props:
        """Return the checked inputs and inputs that the provider chose. `old`: the state's; empty for a create."""
        return inputs

    def diff(self, state: Props, inputs: Props) -> DiffResult:
        """Compare the inputs with the state. An unknown value equals nothing, so it counts as a change."""
        changed = [key for key in self.compared if key in inputs and state.get(key) != inputs[key]]
        return DiffResult(bool(changed), [key for key in changed if key in self.replacing], changed=changed)

    def preview(self, inputs: Props) -> None:
        """Report what `create` would find, and raise what it would raise. The inputs may contain unknown values."""

    @abstractmethod
    def create(self, inputs: Props) -> CreateResult:
        """Create the resource, or adopt one that exists: an interrupted `up` may have created it."""

    @abstractmethod
    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return the resource as UFM has it, None if it no longer exists. `state` is empty for `pulumi import`."""

    def update(self, state: Props, inputs: Props) -> Props:
        """Apply the inputs and return the new outputs. Not implemented by a type whose every change replaces it."""
        raise NotImplementedError

    @abstractmethod
    def delete(self, state: Props) -> None:
        """Remove from UFM what this resource owns."""


def check_generation(inputs: Props) -> CheckResult:
    """Return the inputs with `generation`, default 1, as an int: a counter that the user raises to force a change."""
    value = inputs.get("generation", 1)
    if isinstance(value, Unknown):
        return CheckResult(inputs, [])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not float(value).is_integer() or value < 1:
        return CheckResult(inputs, [CheckFailure("generation", f"found {value!r}; write a whole number from 1")])
    return CheckResult({**inputs, "generation": int(value)}, [])
