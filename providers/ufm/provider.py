"""`Provider`: the Pulumi provider resource, and `Settings`: its inputs, checked.

    program                         engine                        plugin (module `plugin`)
    Provider(address, password) ──> Configure ──────────────────> Settings, one Client
    PKey(pkey, members)         ──> Check, Diff, Create, Read… ──> PKeyHandler.check, .diff, .create, .read…

The plugin implements Pulumi's native provider protocol. A dynamic provider (`pulumi.dynamic`) cannot import resources,
query UFM in a preview, or be cancelled. A stack that was created with the earlier dynamic provider migrates by alias:
its first preview shows only the new `Provider`.

UFM's password is an input of `Provider` only, and a secret, so a new password causes no diff of any other resource.
`pulumi refresh` and `pulumi destroy` use the inputs that the last `up` stored in the state; with `--run-program` they
use the present ones.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from .client import Client
from .errors import ConfigurationError
from .trust import Trust, sha256_hex

DEFAULT_PASSWORD = "123456"  # noqa: S105
"""The password of user admin on every newly installed UFM."""

NEW_VALUE = "set it to a new password, as a Pulumi secret"


class Provider(pulumi.ProviderResource):
    """A UFM and how to reach it; pass it to resources as `provider=` or to a component as `providers=`."""

    def __init__(
        self,
        name: str,
        *,
        address: pulumi.Input[str],
        password: pulumi.Input[str],
        port: pulumi.Input[int] = 443,
        user: pulumi.Input[str] = "admin",
        ca_file: pulumi.Input[str] | None = None,
        ca: pulumi.Input[str] | None = None,
        server_name: pulumi.Input[str] | None = None,
        fingerprint: pulumi.Input[str] | None = None,
        insecure: pulumi.Input[bool] = False,
        previous_password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a UFM.

        Args:
            name: the resource's name.
            address: host name or IP address of UFM's REST API.
            password: the password of `user`; stored as a secret. UFM's default password is refused.
            port: the HTTPS port.
            user: a UFM user with the role system_admin.
            ca_file: PEM file of the authority of UFM's certificate, relative to the Pulumi project's folder; the
                system's store if omitted.
            ca: the authority as PEM text, or a self-signed certificate itself; goes before `ca_file`.
            server_name: the name in the certificate, if it is not `address`.
            fingerprint: SHA-256 of UFM's certificate in hex; only this certificate is trusted.
            insecure: do not verify UFM's certificate.
            previous_password: needed only while the password changes (see `AdminPassword`).
            opts: Pulumi's resource options.
        """
        trust = {"ca": ca, "serverName": server_name, "fingerprint": fingerprint}
        inputs = {
            "address": address,
            "port": port,
            "user": user,
            "password": pulumi.Output.secret(password),
            "caFile": ca_file,
            **{key: value for key, value in trust.items() if value is not None},
            "insecure": insecure,
            "previousPassword": None if previous_password is None else pulumi.Output.secret(previous_password),
        }
        super().__init__("ufm", name, inputs, opts)


@dataclass(frozen=True)
class Settings:
    """The checked inputs of `Provider`."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)
    trust: Trust
    previous_password: str | None = field(repr=False)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Settings":
        """Check the provider's inputs.

        Raises:
            ConfigurationError: an input is missing or wrong; the text names it.
        """
        address, password = inputs.get("address"), inputs.get("password")
        if not isinstance(address, str) or not address:
            raise ConfigurationError("the provider's input address is missing")
        port = _port(inputs.get("port", 443))
        if not isinstance(password, str) or not password:
            raise ConfigurationError("the provider's input password is missing", remedy=NEW_VALUE)
        if password == DEFAULT_PASSWORD:
            problem = "the provider's input password is UFM's default, which is public"
            raise ConfigurationError(problem, remedy=NEW_VALUE)
        return cls(
            address=address,
            port=port,
            user=str(inputs.get("user") or "admin"),
            password=password,
            trust=_trust(inputs),
            previous_password=inputs.get("previousPassword") or None,
        )

    def client(self, password: str | None = None, **options: Any) -> Client:
        """Return a client with the configured password, or with `password`; `options` as in `Client`."""
        return Client(
            self.address,
            self.user,
            password or self.password,
            port=self.port,
            **asdict(self.trust),
            **options,
        )


def _port(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1 <= value <= 65535 or not float(value).is_integer():
        raise ConfigurationError(f"the provider's input port is {value!r}", remedy="set it to a number from 1 to 65535")
    return int(value)


def _trust(inputs: Mapping[str, Any]) -> Trust:
    return Trust(
        # Relative to the Pulumi project's folder, which is the plugin's working directory.
        ca_file=str(Path(inputs["caFile"]).expanduser()) if inputs.get("caFile") else None,
        ca=inputs.get("ca") or None,
        server_name=inputs.get("serverName") or None,
        fingerprint=_fingerprint(inputs.get("fingerprint")),
        insecure=inputs.get("insecure") is True,
    )


def _fingerprint(value: Any) -> str | None:
    digits = sha256_hex(value) if isinstance(value, str) and value else None
    if value and not digits:
        problem = f"the provider's input fingerprint is {value!r}"
        raise ConfigurationError(problem, remedy="set it to the 64 hex digits of the certificate's SHA-256")
    return digits


def dynamic_alias(resource: str) -> pulumi.ResourceOptions:
    """Return the alias by which a resource of the earlier dynamic provider becomes one of this provider."""
    return pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=f"pulumi-python:dynamic/ufm:{resource}")])
