"""Authenticates the callers of UFM's REST API, as the path's prefix determines.

/ufmRest    user and password in every request (Basic)
/ufmRestV2  a session cookie from POST /dologin
/ufmRestV3  an access token, unencoded after the word "Basic"
"""

import base64
import binascii

from flask import g, request

from lab.ufm.accounts import User
from lab.ufm.errors import ForbiddenError, UnauthorizedError
from lab.ufm.responses.common import ufm


def authenticate() -> None:
    """Set `g.user` to the user who sent the request.

    Raises:
        UnauthorizedError: the credentials are missing, wrong, or not those of this prefix.
        ForbiddenError: the request changes something and the user has the role monitoring_only.
    """
    g.user = BY_PREFIX[request.path.split("/")[1]]()
    if g.user.role == "monitoring_only" and request.method != "GET":
        raise ForbiddenError("no permission")


def _credentials() -> str:
    """Return the text after "Basic" in the header Authorization."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "basic" else ""


def _by_password() -> User:
    try:
        name, _, password = base64.b64decode(_credentials(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthorizedError("bad credentials") from error
    return ufm().accounts.login(name, password)


def _by_session() -> User:
    return ufm().accounts.user_of_session(request.cookies.get("session", ""))


def _by_token() -> User:
    return ufm().accounts.user_of_token(_credentials())


BY_PREFIX = {"ufmRest": _by_password, "ufmRestV2": _by_session, "ufmRestV3": _by_token}
