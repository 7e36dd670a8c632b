"""What UFM's dynamic providers share: configuration, client, shape.

A provider class is pickled into every resource's state by reference, so it lives in an importable module and holds no
state from `__init__` (pulumi #2900, #9652; dill #481). What it needs comes by `configure`, which sees the whole stack
configuration, secrets decrypted, on up, refresh and destroy alike (pulumi #17050). So credentials are inputs of no
resource and a new password makes no diff.

The engine itself keeps that configuration in the state, secrets encrypted, as the inputs of the default provider
`pulumi-python`, and takes it from there for `refresh` and `destroy`: they use the configuration of the last `up`. With
`--run-program` they use the stack's present one.

UFM may not be installed yet when `configure`, `check` and `diff` run: none of them touches the network.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pulumi.dynamic import CheckFailure, CheckResult, Config, ConfigureRequest, DiffResult, ResourceProvider
from pulumi.output import Unknown

from providers.ufm.client import Client
from providers.ufm.errors import ConfigurationError

Props = dict[str, Any]
"""Properties as the engine sends them: numbers are floats, None has vanished (pulumi #13830)."""

DEFAULT_PASSWORD = "123456"  # noqa: S105
"""Every UFM's password before anybody changed it (guide step U7)."""


@dataclass(frozen=True)
class Settings:
    """How UFM is reached, from the stack's configuration."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: str | None
    """Relative to the project's folder, which is the provider's working directory."""
    insecure: bool
    previous_password: str | None = field(repr=False)
    """Secret `ufmPreviousPassword`: only while the password changes."""

    @classmethod
    def of(cls, config: Config) -> "Settings":
        """The settings in `site` (the `ufm` part) and the secrets.

        Raises:
            ConfigurationError: naming the key to set.
        """
        ufm = _ufm(config.get("site"))
        address, port = ufm.get("address"), ufm.get("port", 443)
        if not isinstance(address, str) or not address:
            raise ConfigurationError("ufm.address is missing", remedy="set ufm.address in rack:site")
        if not isinstance(port, int) or not 1 <= port <= 65535:
            raise ConfigurationError(f"ufm.port is {port!r}", remedy="set ufm.port in rack:site to 1..65535")
        return cls(
            address=address,
            port=port,
            user=str(ufm.get("user") or "admin"),
            password=_password(config),
            ca_file=str(Path(ufm["caFile"]).expanduser()) if ufm.get("caFile") else None,
            insecure=ufm.get("insecure") is True,
            previous_password=config.get("ufmPreviousPassword"),
        )

    def client(self, password: str | None = None) -> Client:
        """A client with the configured password, or with another one."""
        return Client(
            self.address,
            self.user,
            password or self.password,
            port=self.port,
            ca_file=self.ca_file,
            insecure=self.insecure,
        )


def _ufm(site: object) -> Mapping[str, Any]:
    try:
        document = json.loads(site) if isinstance(site, str) else site
        ufm = document["ufm"]  # type: ignore[index]
    except (ValueError, TypeError, KeyError):
        ufm = None
    if not isinstance(ufm, Mapping):
        problem = "rack:site is missing or has no ufm part"
        raise ConfigurationError(problem, remedy="write rack:site with its ufm part into Pulumi.<stack>.yaml")
    return ufm


def _password(config: Config) -> str:
    remedy = "pulumi config set --secret ufmPassword"
    password = config.get("ufmPassword")
    if not isinstance(password, str) or not password:
        raise ConfigurationError("the secret ufmPassword is missing", remedy=remedy)
    if password == DEFAULT_PASSWORD:
        raise ConfigurationError("ufmPassword is UFM's default, which everybody knows", remedy=remedy + ", a new one")
    return password


_clients: dict[Settings, Client] = {}
_clients_lock = threading.Lock()


def shared_client(settings: Settings) -> Client:
    """The process's client for `settings`: the providers' four threads share its connections."""
    with _clients_lock:
        if settings not in _clients:
            _clients[settings] = settings.client()
        return _clients[settings]


class UfmProvider(ResourceProvider):
    """The shape of them all: configured from the stack, compared by `compared`, replaced by `replacing`."""

    serialize_as_secret_always = False
    """By reference there is nothing to hide; saves an encryption a resource (pulumi #15539)."""

    compared: ClassVar[tuple[str, ...]] = ()
    """The inputs whose change is a change of the resource. One that is not given is not compared."""
    replacing: ClassVar[tuple[str, ...]] = ()
    """Those of them that need another object at UFM."""

    settings: Settings

    def configure(self, req: ConfigureRequest) -> None:
        """Raises ConfigurationError."""
        self.settings = Settings.of(req.config)

    @property
    def client(self) -> Client:
        return shared_client(self.settings)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """True or False, never None: with None the engine compares `__provider` too (pulumi #12401).

        An unknown value equals nothing, so it counts as a change.
        """
        changed = [key for key in self.compared if key in news and olds.get(key) != news[key]]
        return DiffResult(changes=bool(changed), replaces=[key for key in changed if key in self.replacing])


def check_generation(news: Props) -> CheckResult:
    """The inputs with `generation` as an int: a count that somebody raises to ask for the next one."""
    value = news.get("generation", 1)
    if isinstance(value, Unknown):
        return CheckResult(news, [])
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        return CheckResult(news, [CheckFailure("generation", f"found {value!r}; write a whole number from 1")])
    return CheckResult({**news, "generation": int(value)}, [])
