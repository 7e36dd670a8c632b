"""`AdminPassword`: replaces UFM's default password, or an earlier one, with the provider's `password`.

The password is an input of `Provider` only: even a hash of a short password in this resource's state would reveal it.
A new password therefore causes no diff here, and `generation` requests the change:

1. Set the provider's `previous_password` to the old password and `password` to the new one.
2. Raise `generation` and run `pulumi up`.
3. Remove `previous_password`.

Deleting the resource changes nothing at UFM: the only password to return to is the public default.
"""

import re
from contextlib import closing, suppress

import pulumi

from .errors import AuthenticationError, UfmError
from .handler import (
    CheckFailure,
    CheckResult,
    CreateResult,
    Props,
    ReadResult,
    ResourceHandler,
    Session,
    check_generation,
)
from .provider import DEFAULT_PASSWORD, Settings, dynamic_alias

ALLOWED = re.compile(r"\w{4,30}", re.ASCII)
"""The passwords that UFM accepts."""


class AdminPasswordHandler(ResourceHandler):
    """Implements `AdminPassword` with UFM's user call."""

    pulumi_type = "ufm:index:AdminPassword"
    compared = ("generation",)

    def check(self, inputs: Props) -> CheckResult:
        """Check `generation` and the provider's password."""
        checked, failures = check_generation(inputs)
        if not self.settings.password:
            reason = "the provider has no input password; set it, or remove this resource"
            failures.append(CheckFailure("generation", reason))
        elif not ALLOWED.fullmatch(self.settings.password):
            reason = (
                "the provider's input password breaks UFM's rule: 4 to 30 letters, digits or _; set it to another one"
            )
            failures.append(CheckFailure("generation", reason))
        return CheckResult(checked, failures)

    def create(self, inputs: Props) -> CreateResult:
        """Change the password unless UFM accepts it already.

        Raises:
            AuthenticationError: UFM accepts neither it, nor `previous_password`, nor the default.
        """
        outputs = self._change(inputs)
        return CreateResult(outputs["user"], outputs)

    def update(self, state: Props, inputs: Props) -> Props:
        """Change the password, as `create` does."""
        return self._change(inputs)

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return None if UFM accepts its default password, e.g. after a reinstallation.

        Raises:
            AuthenticationError: UFM accepts none of the passwords that the provider knows.
        """
        password, version = self._accepted()
        if password == DEFAULT_PASSWORD:
            return None
        inputs = {"generation": state.get("generation", 1)}
        return ReadResult(id_, {**inputs, "user": self.settings.user, "version": version}, inputs)

    def delete(self, state: Props) -> None:
        """Do nothing: see the module's docstring."""

    def _change(self, inputs: Props) -> Props:
        password, version = self._accepted()
        if password != self.settings.password:
            self._replace(password)
        return {"generation": inputs["generation"], "user": self.settings.user, "version": version}

    def _replace(self, password: str) -> None:
        # If the answer is lost, the retry sends a password that UFM no longer accepts.
        with closing(self.session.with_password(password)) as client, suppress(AuthenticationError):
            client.set_password(self.settings.password)
        self.client.version()  # UFM accepts the new password

    def _accepted(self) -> tuple[str, str]:
        return accepted(self.session)


def accepted(session: Session) -> tuple[str, str]:
    """Return the first password that UFM accepts (configured, previous, default) and UFM's release.

    Raises:
        AuthenticationError: UFM accepts none of them.
    """
    settings = session.settings
    if not settings.password:
        return "", session.client.version()
    candidates = {"the provider's password": settings.password}
    if settings.previous_password:
        candidates["previous_password"] = settings.previous_password
    candidates["UFM's default"] = DEFAULT_PASSWORD
    for password in candidates.values():
        client = session.with_password(password)
        try:
            return password, client.version()
        except AuthenticationError as error:
            refused = error
        finally:
            client.close()
    raise AuthenticationError(
        f"user {settings.user!r} is refused with {', '.join(candidates)}",
        host=refused.host,
        call=refused.call,
        status=refused.status,
        remedy="correct the provider's input password, or set previous_password to the password that UFM accepts now; "
        "if it is lost, run on the UFM node: docker exec -it ufm htpasswd -B /opt/ufm/conf/ufm.passwd admin",
    )


def refusal(settings: Settings) -> str:
    """Return why UFM would refuse the provider's login; empty if it accepts it or cannot be asked.

    UFM may not be installed yet, be restarting, or not be reachable from where a preview runs: one attempt is made,
    with short timeouts, and no answer counts as "unknown".
    """
    session = Session.of(settings, timeout=(2, 10), pauses=())
    try:
        accepted(session)
    except AuthenticationError as error:
        return str(error)
    except UfmError:
        return ""
    finally:
        session.close()
    return ""


class AdminPassword(pulumi.CustomResource):
    """The user's password at UFM is the provider's `password`, not UFM's default."""

    generation: pulumi.Output[int]
    """As declared."""
    user: pulumi.Output[str]
    """The user whose password it is."""
    version: pulumi.Output[str]
    """UFM's release, e.g. 6.14.5-2."""

    def __init__(
        self, name: str, *, generation: pulumi.Input[int] = 1, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare the password.

        Args:
            name: the resource's name.
            generation: a whole number from 1; raise it together with a new password.
            opts: Pulumi's resource options.
        """
        props = {"generation": generation, "user": None, "version": None}
        opts = pulumi.ResourceOptions.merge(opts, dynamic_alias("AdminPassword"))
        super().__init__(AdminPasswordHandler.pulumi_type, name, props, opts)
