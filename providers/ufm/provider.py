"""`Provider`: the Pulumi provider resource, and `Settings`: its inputs, checked.

    program                         engine                        plugin (module `plugin`)
    Provider(address, password) ──> Configure ──────────────────> Settings, one Client
    PKey(pkey, members)         ──> Check, Diff, Create, Read… ──> PKeyHandler.check, .diff, .create, .read…

The plugin implements Pulumi's native provider protocol. A dynamic provider (`pulumi.dynamic`) cannot import resources,
query UFM in a preview, or be cancelled. A stack that was created with the earlier dynamic provider migrates by alias:
its first preview shows only the new `Provider`.

UFM's password or token is an input of `Provider` only, and a secret, so a new one causes no diff of any other resource.
`pulumi refresh` and `pulumi destroy` use the inputs that the last `up` stored in the state; with `--run-program` they
use the present ones.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pulumi

from .client import Client
from .errors import ConfigurationError
from .login import Login
from .trust import Trust, sha256_hex

DEFAULT_PASSWORD = "123456"  # noqa: S105
"""The password of user admin on every newly installed UFM."""

NEW_VALUE = "set it to a new password, as a Pulumi secret"
_METHODS = "token or cert_file"
NO_SESSION = "remove session: it is opened by user and password"
CERTIFICATE = "set cert_file and key_file to PEM files of a certificate and of its key without a passphrase"


class Provider(pulumi.ProviderResource):
    """A UFM and how to reach it; pass it to resources as `provider=` or to a component as `providers=`."""

    def __init__(
        self,
        name: str,
        *,
        address: pulumi.Input[str],
        password: pulumi.Input[str] | None = None,
        port: pulumi.Input[int] = 443,
        user: pulumi.Input[str] = "admin",
        ca_file: pulumi.Input[str] | None = None,
        ca: pulumi.Input[str] | None = None,
        server_name: pulumi.Input[str] | None = None,
        fingerprint: pulumi.Input[str] | None = None,
        insecure: pulumi.Input[bool] = False,
        token: pulumi.Input[str] | None = None,
        cert_file: pulumi.Input[str] | None = None,
        key_file: pulumi.Input[str] | None = None,
        session: pulumi.Input[bool] | None = None,
        previous_password: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a UFM.

        Args:
            name: the resource's name.
            address: host name or IP address of UFM's REST API.
            password: the password of `user`; stored as a secret. UFM's default password is refused. Set this input,
                or `token`, or `cert_file`.
            port: the HTTPS port.
            user: a UFM user with the role system_admin.
            ca_file: PEM file of the authority of UFM's certificate, relative to the Pulumi project's folder; the
                system's store if omitted.
            ca: the authority as PEM text, or a self-signed certificate itself; goes before `ca_file`.
            server_name: the name in the certificate, if it is not `address`.
            fingerprint: SHA-256 of UFM's certificate in hex; only this certificate is trusted.
            insecure: do not verify UFM's certificate.
            token: an access token instead of user and password; stored as a secret.
            cert_file: PEM file of a client certificate that UFM maps to a user, instead of user and password.
            key_file: PEM file of its private key without a passphrase, unless the key is in `cert_file`.
            session: open a session by user and password instead of sending them with each request.
            previous_password: needed only while the password changes (see `AdminPassword`).
            opts: Pulumi's resource options.
        """
        optional = {
            "ca": ca,
            "serverName": server_name,
            "fingerprint": fingerprint,
            "token": _secret(token),
            "certFile": cert_file,
            "keyFile": key_file,
            "session": session,
        }
        inputs = {
            "address": address,
            "port": port,
            "user": user,
            "password": _secret(password),
            "caFile": ca_file,
            **{key: value for key, value in optional.items() if value is not None},
            "insecure": insecure,
            "previousPassword": _secret(previous_password),
        }
        super().__init__("ufm", name, inputs, opts)


def _secret(value: pulumi.Input[str] | None) -> pulumi.Output[str] | None:
    return None if value is None else pulumi.Output.secret(value)


@dataclass(frozen=True)
class Settings:
    """The checked inputs of `Provider`."""

    address: str
    port: int
    login: Login
    trust: Trust
    previous_password: str | None = field(repr=False)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Settings":
        """Check the provider's inputs.

        Raises:
            ConfigurationError: an input is missing or wrong; the text names it.
        """
        inputs = {key: _plain(value) if key in NOT_TEXT else value for key, value in inputs.items()}
        address = inputs.get("address")
        if not isinstance(address, str) or not address:
            raise ConfigurationError("the provider's input address is missing")
        return cls(
            address=address,
            port=_port(inputs.get("port", 443)),
            login=_login(inputs),
            trust=_trust(inputs),
            previous_password=inputs.get("previousPassword") or None,
        )

    @property
    def user(self) -> str:
        """The user name."""
        return self.login.user

    @property
    def password(self) -> str:
        """The user's password; empty if the provider identifies itself by a token or a certificate."""
        return self.login.password or ""

    def client(self, password: str | None = None, **options: Any) -> Client:
        """Return a client with the configured credentials, or with another `password`; `options` as in `Client`."""
        login = replace(self.login, password=password) if password else self.login
        return Client(self.address, **asdict(login), port=self.port, **asdict(self.trust), **options)


NOT_TEXT = ("port", "session")
"""The inputs that are no text. Not `insecure`: only a real true switches verification off."""

METHODS = {"password": "password", "token": "token", "certFile": "cert_file"}
"""The inputs that identify the client, of which one is set → their names in Python."""


def _login(inputs: Mapping[str, Any]) -> Login:
    given = {name: inputs[key] for key, name in METHODS.items() if inputs.get(key)}
    if not given:
        raise ConfigurationError("the provider's input password is missing", remedy=f"{NEW_VALUE}, or set {_METHODS}")
    if len(given) > 1:
        raise ConfigurationError(f"the provider has the inputs {' and '.join(given)}", remedy="set one of them")
    if not all(isinstance(value, str) for value in given.values()):
        raise ConfigurationError(f"the provider's input {next(iter(given))} is no text")
    if given.get("password") == DEFAULT_PASSWORD:
        problem = "the provider's input password is UFM's default, which is public"
        raise ConfigurationError(problem, remedy=NEW_VALUE)
    session = inputs.get("session") is True
    if session and "password" not in given:
        raise ConfigurationError(f"the provider has the inputs session and {next(iter(given))}", remedy=NO_SESSION)
    files = {name: _file(inputs.get(key)) for key, name in (("certFile", "cert_file"), ("keyFile", "key_file"))}
    if files["cert_file"]:
        _check_certificate(files["cert_file"], files["key_file"])
    given = {key: value for key, value in given.items() if key != "cert_file"}
    return Login(str(inputs.get("user") or "admin"), **given, **files, session=session)


def _file(value: Any) -> str | None:
    """Return a path, which is relative to the Pulumi project's folder: the plugin's working directory."""
    return str(Path(value).expanduser()) if value else None


def _check_certificate(cert_file: str, key_file: str | None) -> None:
    try:
        # With a password, OpenSSL does not ask for one on the terminal.
        ssl.create_default_context().load_cert_chain(cert_file, key_file, password="")
    except OSError as error:  # SSLError is one
        problem = f"the provider's input cert_file, {cert_file}, cannot be used with its key: {error.strerror or error}"
        raise ConfigurationError(problem, remedy=CERTIFICATE) from None


def _plain(value: Any) -> Any:
    """Return a number or boolean; generated SDKs send it as JSON text. Other text stays, and is refused later."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _port(value: Any) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1 <= value <= 65535 or not float(value).is_integer():
        raise ConfigurationError(f"the provider's input port is {value!r}", remedy="set it to a number from 1 to 65535")
    return int(value)


def _trust(inputs: Mapping[str, Any]) -> Trust:
    return Trust(
        ca_file=_file(inputs.get("caFile")),
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
