"""`AccessToken`: a token for another client of UFM's REST API, e.g. Neutron's SDN driver.

A new `generation` replaces the resource: the new token is created, its users are updated, then the old token is
revoked. That is Pulumi's default order, so the users always have a valid token. The token is a secret output and
appears nowhere else: the resource's ID contains the time of issue, and no error or log line contains the token.

UFM gives a token no name. The inputs of a create contain the time of the request, so that a token whose answer was lost
is found by its time of issue: the engine keeps the inputs in the pending operation.
"""

import time

import pulumi

from .handler import CheckResult, CreateResult, Props, ReadResult, ResourceHandler, check_generation
from .provider import dynamic_alias

REQUESTED = "__requested"
"""Input with the time of the request in seconds since the epoch. The engine shows no input that begins so."""


class AccessTokenHandler(ResourceHandler):
    """Implements `AccessToken` with UFM's token calls."""

    pulumi_type = "ufm:index:AccessToken"
    importable = False
    compared = ("generation",)
    replacing = ("generation",)

    def check(self, inputs: Props) -> CheckResult:
        """Check `generation`."""
        return check_generation(inputs)

    def carry(self, old: Props, inputs: Props) -> Props:
        """Add the time of the request; a token that exists keeps that of its create."""
        if old:
            return {**inputs, REQUESTED: old[REQUESTED]} if REQUESTED in old else inputs
        return {**inputs, REQUESTED: int(time.time())}

    def create(self, inputs: Props) -> CreateResult:
        """Create a token. Not retried: UFM would create another one."""
        token = self.client.create_token()
        outputs = {"generation": inputs["generation"], "token": token["access_token"]}
        return CreateResult(f"{self.settings.user}@{token.get('issued_at', 0)}", outputs)

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return None if the token is revoked or not listed: the next `up` creates another one."""
        valid = {token.get("access_token") for token in self.client.tokens() if not token.get("revoked")}
        if state["token"] not in valid:
            return None
        return ReadResult(id_, state, {"generation": state["generation"]})

    def delete(self, state: Props) -> None:
        """Revoke the token."""
        self.client.revoke_token(state["token"])


class AccessToken(pulumi.CustomResource):
    """An API access token of the provider's user, valid for 10 years, revoked on destroy."""

    generation: pulumi.Output[int]
    """As declared."""
    token: pulumi.Output[str]
    """30 letters and digits, secret; clients send it raw as `Authorization: Basic <token>` under /ufmRestV3."""

    def __init__(self, name: str, *, generation: pulumi.Input[int], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a token.

        Args:
            name: the resource's name.
            generation: a whole number from 1; raise it to replace the token.
            opts: Pulumi's resource options.
        """
        own = pulumi.ResourceOptions(additional_secret_outputs=["token"])
        own = pulumi.ResourceOptions.merge(dynamic_alias("AccessToken"), own)
        props = {"generation": generation, "token": None}
        super().__init__(AccessTokenHandler.pulumi_type, name, props, pulumi.ResourceOptions.merge(opts, own))
