"""What UFM's resources share: the provider resource, its settings, and the shape of a kind of resource.

    program                         engine                        plugin (`providers.ufm.plugin`)
    Provider(address, password) ──> Configure ──────────────────> Settings, one Client
    PKey(pkey, members)         ──> Check, Diff, Create, Read… ──> PKeyKind.check, .diff, .create, .read…

The plugin is Pulumi's native provider interface, not a dynamic provider, which can neither be imported into nor asked
in a preview nor cancelled. `Pulumi.yaml` tells the engine where it is. Stacks of the dynamic provider's time migrate by
alias: the first preview shows nothing but the new `Provider`.

UFM's password is an input of `Provider` alone, secret, so a new one makes no diff of any partition. `refresh` and
`destroy` take it from the state, as the last `up` left it; with `--run-program` from the stack's present configuration.

UFM may not be installed yet when `check` and `diff` run: neither touches the network. `preview` asks it, and takes no
answer for an answer.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pulumi
from pulumi.output import Unknown

from providers.ufm.client import Client
from providers.ufm.errors import ConfigurationError

Props = dict[str, Any]
"""Properties as the engine sends them: numbers are floats, None has vanished (pulumi #13830)."""

DEFAULT_PASSWORD = "123456"  # noqa: S105
"""Every UFM's password before anybody changed it (guide step U7)."""


class Provider(pulumi.ProviderResource):
    """A UFM and how it is reached; hand it to resources by `provider=` or to a component by `providers=`."""

    def __init__(
        self,
        name: str,
        *,
        address: pulumi.Input[str],
        password: pulumi.Input[str],
        port: pulumi.Input[int] = 443,
        user: pulumi.Input[str] = "admin",
        ca_file: pulumi.Input[str] | None = None,
        insecure: pulumi.Input[bool] = False,
        previous_password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        password: of `user`; kept as a secret.
        ca_file: the authority of UFM's certificate, relative to the project's folder; the system's where left out.
        insecure: do not verify UFM's certificate.
        previous_password: only while the password changes (see `AdminPassword`).
        """
        props = {
            "address": address,
            "port": port,
            "user": user,
            "password": pulumi.Output.secret(password),
            "caFile": ca_file,
            "insecure": insecure,
            "previousPassword": None if previous_password is None else pulumi.Output.secret(previous_password),
        }
        super().__init__("ufm", name, props, opts)


@dataclass(frozen=True)
class Settings:
    """How UFM is reached: the inputs of `Provider`, checked."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: str | None
    """Relative to the project's folder, which is the plugin's working directory."""
    insecure: bool
    previous_password: str | None = field(repr=False)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Settings":
        """
        Raises:
            ConfigurationError: naming the input to set.
        """
        address, port, password = inputs.get("address"), inputs.get("port", 443), inputs.get("password")
        if not isinstance(address, str) or not address:
            raise ConfigurationError("address is missing")
        if isinstance(port, bool) or not isinstance(port, int | float) or not 1 <= port <= 65535 or port != int(port):
            raise ConfigurationError(f"port is {port!r}", remedy="set it to 1..65535")
        if not isinstance(password, str) or not password:
            raise ConfigurationError("the secret password is missing", remedy=SET_PASSWORD)
        if password == DEFAULT_PASSWORD:
            raise ConfigurationError("the password is UFM's default, which everybody knows", remedy=SET_PASSWORD)
        return cls(
            address=address,
            port=int(port),
            user=str(inputs.get("user") or "admin"),
            password=password,
            ca_file=str(Path(inputs["caFile"]).expanduser()) if inputs.get("caFile") else None,
            insecure=inputs.get("insecure") is True,
            previous_password=inputs.get("previousPassword") or None,
        )

    def client(self, password: str | None = None, **how: Any) -> Client:
        """A client with the configured password, or with another one. `how`: as in `Client`."""
        return Client(
            self.address,
            self.user,
            password or self.password,
            port=self.port,
            ca_file=self.ca_file,
            insecure=self.insecure,
            **how,
        )


SET_PASSWORD = "pulumi config set --secret ufmPassword, a new one"  # noqa: S105

Say = Callable[[Literal["info", "warning", "progress"], str], None]
"""Tells the user something at the resource concerned; progress is shown until the next line comes."""


@dataclass(frozen=True)
class Session:
    """What all calls to the plugin share."""

    settings: Settings
    client: Client
    impatient: Client
    """For previews: one try, as UFM may well not be there yet."""
    cancelled: threading.Event
    """Set when the user interrupts the engine: whoever waits gives up."""
    how: Mapping[str, Any]
    """Of its clients: see `Client`."""

    @classmethod
    def of(cls, settings: Settings, **how: Any) -> "Session":
        """`how`: other time limits and pauses than the client's own."""
        how["cancelled"] = cancelled = threading.Event()
        impatient = settings.client(timeout=(2, 10), pauses=())
        return cls(settings, settings.client(**how), impatient, cancelled, how)

    def with_password(self, password: str) -> Client:
        """A client with another password than the configured one."""
        return self.settings.client(password, **self.how)

    def close(self) -> None:
        """Closes the kept connections."""
        self.client.close()
        self.impatient.close()


@dataclass(frozen=True)
class Failure:
    """An input that cannot be."""

    property: str
    """Its path: `members["compute-1/ib0"]`."""
    reason: str
    """What was found and what to write instead."""


@dataclass(frozen=True)
class Diff:
    """What a change of the inputs comes to."""

    changes: bool
    replaces: list[str] = field(default_factory=list)
    """The inputs that need another object at UFM."""
    delete_before_replace: bool = False


@dataclass(frozen=True)
class Made:
    """What a create made."""

    id: str
    outs: Props


@dataclass(frozen=True)
class Found:
    """What a read found, and what inputs would have made it: the next preview compares the program with them."""

    id: str
    outs: Props
    inputs: Props


class Kind(ABC):
    """One kind of resource, for one call: checked, compared, made, read, changed and unmade at UFM."""

    urn_type: ClassVar[str]
    """Its type: ufm:index:PKey."""
    importable: ClassVar[bool] = True
    """Whether its ID alone tells enough to read it."""
    compared: ClassVar[tuple[str, ...]] = ()
    """The inputs whose change is a change of the resource. One that is not given is not compared."""
    replacing: ClassVar[tuple[str, ...]] = ()
    """Those of them that need another object at UFM."""

    def __init__(self, session: Session, say: Say) -> None:
        self.session, self.say = session, say

    @property
    def settings(self) -> Settings:
        return self.session.settings

    @property
    def client(self) -> Client:
        return self.session.client

    @abstractmethod
    def check(self, news: Props) -> tuple[Props, list[Failure]]:
        """The inputs in UFM's spelling, with every failure there is. Calls nobody; unknown values pass."""

    def diff(self, olds: Props, news: Props) -> Diff:
        """An unknown value equals nothing, so it counts as a change."""
        changed = [key for key in self.compared if key in news and olds.get(key) != news[key]]
        return Diff(bool(changed), [key for key in changed if key in self.replacing])

    def preview(self, news: Props) -> None:
        """Tells what `create` would meet, and raises what it would raise. The inputs may hold unknown values."""

    @abstractmethod
    def create(self, news: Props) -> Made:
        """May find it there already: the state alone does not know it."""

    @abstractmethod
    def read(self, id_: str, olds: Props) -> Found | None:
        """None: it has vanished. `olds` is empty where `pulumi import` asks for something by its ID."""

    def update(self, olds: Props, news: Props) -> Props:
        """The new outputs. A kind has none whose every change replaces it."""
        raise NotImplementedError

    @abstractmethod
    def delete(self, olds: Props) -> None:
        """Takes away what is ours."""


def check_generation(news: Props) -> tuple[Props, list[Failure]]:
    """The inputs with `generation` as an int: a count that somebody raises to ask for the next one."""
    value = news.get("generation", 1)
    if isinstance(value, Unknown):
        return news, []
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        return news, [Failure("generation", f"found {value!r}; write a whole number from 1")]
    return {**news, "generation": int(value)}, []


def was_dynamic(kind: str) -> pulumi.ResourceOptions:
    """The alias by which a stack of the dynamic provider's time keeps its resources."""
    return pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=f"pulumi-python:dynamic/ufm:{kind}")])
