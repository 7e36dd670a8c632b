"""`AccessToken`: the token with which Neutron's SDN driver calls UFM (guide step U8).

A new `generation` replaces: the new token is made first, whoever uses it is updated, then the old one is revoked. That
is Pulumi's own order, so Neutron is never without a valid token. The token is an output, secret, and stands nowhere
else: the resource's ID says when it was made, and no error or log line holds it.
"""

import pulumi

from providers.ufm.provider import Failure, Found, Kind, Made, Props, check_generation, was_dynamic


class AccessTokenKind(Kind):
    urn_type = "ufm:index:AccessToken"
    importable = False
    compared = ("generation",)
    replacing = ("generation",)

    def check(self, news: Props) -> tuple[Props, list[Failure]]:
        return check_generation(news)

    def create(self, props: Props) -> Made:
        made = self.client.create_token()
        outs = {"generation": props["generation"], "token": made["access_token"]}
        return Made(f"{self.settings.user}@{made.get('issued_at', 0)}", outs)

    def read(self, id_: str, props: Props) -> Found | None:
        """A token that is revoked or no longer listed has vanished: the next `up` makes a new one."""
        valid = {t.get("access_token") for t in self.client.tokens() if not t.get("revoked")}
        if props["token"] not in valid:
            return None
        return Found(id_, props, {"generation": props["generation"]})

    def delete(self, props: Props) -> None:
        self.client.revoke_token(props["token"])


class AccessToken(pulumi.CustomResource):
    """An API access token of the configured user, good for 10 years, revoked on destroy."""

    generation: pulumi.Output[int]
    """Raise it to rotate the token."""
    token: pulumi.Output[str]
    """30 letters and digits, secret: sent raw as `Authorization: Basic <token>` under /ufmRestV3."""

    def __init__(self, name: str, *, generation: pulumi.Input[int], opts: pulumi.ResourceOptions | None = None) -> None:
        own = pulumi.ResourceOptions(additional_secret_outputs=["token"])
        own = pulumi.ResourceOptions.merge(was_dynamic("AccessToken"), own)
        props = {"generation": generation, "token": None}
        super().__init__(AccessTokenKind.urn_type, name, props, pulumi.ResourceOptions.merge(opts, own))
