"""`AdminPassword`: the configured user's password replaces UFM's default, which is never kept (guide step U7).

The password comes from the secret `ufmPassword` alone. It is no input, as even a hash of a short password in the state
would tell it; so a new password makes no diff by itself, and `generation` says that there is one:

    pulumi config set --secret ufmPreviousPassword   the old one, until this is done
    pulumi config set --secret ufmPassword           the new one
    raise generation, pulumi up, pulumi config rm ufmPreviousPassword

Deleting changes nothing at UFM: the only password one could go back to is the default, and that would open it to all.
"""

import re
from contextlib import closing, suppress

import pulumi

from providers.ufm.errors import AuthenticationError
from providers.ufm.provider import DEFAULT_PASSWORD, Failure, Found, Kind, Made, Props, check_generation, was_dynamic

ALLOWED = re.compile(r"\w{4,30}", re.ASCII)
"""What UFM takes as a password (ufm-rest-api: 1)."""


class AdminPasswordKind(Kind):
    urn_type = "ufm:index:AdminPassword"
    compared = ("generation",)

    def check(self, news: Props) -> tuple[Props, list[Failure]]:
        inputs, failures = check_generation(news)
        if not ALLOWED.fullmatch(self.settings.password):
            reason = (
                "the secret ufmPassword breaks UFM's rule, 4 to 30 letters, digits or _; "
                "set another one: pulumi config set --secret ufmPassword"
            )
            failures.append(Failure("generation", reason))
        return inputs, failures

    def create(self, props: Props) -> Made:
        outs = self._settled(props)
        return Made(outs["user"], outs)

    def update(self, _olds: Props, news: Props) -> Props:
        return self._settled(news)

    def read(self, id_: str, props: Props) -> Found | None:
        """UFM with its default password, e.g. reinstalled, has lost ours: vanished. Any other stranger is an error."""
        password, version = self._accepted()
        if password == DEFAULT_PASSWORD:
            return None
        inputs = {"generation": props.get("generation", 1)}
        return Found(id_, {**inputs, "user": self.settings.user, "version": version}, inputs)

    def delete(self, _props: Props) -> None:
        """Nothing: see the module's text."""

    def _settled(self, props: Props) -> Props:
        """The outputs, once the configured password is the one that counts.

        Raises:
            AuthenticationError: neither it, nor the default, nor `ufmPreviousPassword` does.
        """
        password, version = self._accepted()
        if password != self.settings.password:
            self._replace(password)
        return {"generation": props["generation"], "user": self.settings.user, "version": version}

    def _replace(self, password: str) -> None:
        # Where the answer is lost, the next try comes with a password that counts no more.
        with closing(self.session.with_password(password)) as client, suppress(AuthenticationError):
            client.set_password(self.settings.password)
        self.client.version()  # UFM lets us in with the new one

    def _accepted(self) -> tuple[str, str]:
        """The password that UFM accepts now (the configured, else the previous, else the default) and UFM's release."""
        known = [self.settings.password, self.settings.previous_password, DEFAULT_PASSWORD]
        for password in filter(None, known):
            client = self.session.with_password(password)
            try:
                return password, client.version()
            except AuthenticationError as error:
                refused = error
            finally:
                client.close()
        tried = ["the secret ufmPassword", "UFM's default"]
        if self.settings.previous_password:
            tried.insert(1, "ufmPreviousPassword")
        raise AuthenticationError(
            f"user {self.settings.user!r} is refused with {', '.join(tried)}",
            host=refused.host,
            call=refused.call,
            status=refused.status,
            remedy="set the password that counts at UFM now: pulumi config set --secret ufmPreviousPassword; "
            "where nobody knows it, on the UFM node: docker exec -it ufm htpasswd -B /opt/ufm/conf/ufm.passwd admin",
        )


class AdminPassword(pulumi.CustomResource):
    """The configured user's password at UFM is the stack's secret `ufmPassword`, not the default."""

    generation: pulumi.Output[int]
    """Raise it together with a new `ufmPassword`."""
    user: pulumi.Output[str]
    """Whose password it is."""
    version: pulumi.Output[str]
    """UFM's release, e.g. 6.14.5-2."""

    def __init__(
        self, name: str, *, generation: pulumi.Input[int] = 1, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        props = {"generation": generation, "user": None, "version": None}
        opts = pulumi.ResourceOptions.merge(opts, was_dynamic("AdminPassword"))
        super().__init__(AdminPasswordKind.urn_type, name, props, opts)
