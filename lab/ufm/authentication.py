"""Authenticates the callers of UFM's REST API, as the path's prefix determines.

/ufmRest    user and password in every request (Basic), or a client certificate if UFM is set to take these
/ufmRestV2  a session cookie from POST /dologin
/ufmRestV3  an access token, unencoded after the word "Basic"
"""

import base64
import binascii
from collections.abc import Iterator

from cryptography import x509
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


def _by_password_or_certificate() -> User:
    """With client authentication, UFM refuses Basic (infra-controller's runbook; NVIDIA: "Client Authentication")."""
    if ufm().accounts.client_sans:
        return ufm().accounts.user_of_certificate(_alternative_names())
    try:
        name, _, password = base64.b64decode(_credentials(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthorizedError("bad credentials") from error
    return ufm().accounts.login(name, password)


def _alternative_names() -> Iterator[str]:
    """Yield the DNS names of the certificate that the client has shown, and that TLS has verified."""
    if pem := request.environ.get("SSL_CLIENT_CERT"):
        extensions = x509.load_pem_x509_certificate(pem.encode()).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        yield from names.get_values_for_type(x509.DNSName)


def _by_session() -> User:
    return ufm().accounts.user_of_session(request.cookies.get("session", ""))


def _by_token() -> User:
    return ufm().accounts.user_of_token(_credentials())


BY_PREFIX = {"ufmRest": _by_password_or_certificate, "ufmRestV2": _by_session, "ufmRestV3": _by_token}
