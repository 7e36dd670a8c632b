"""/app: version, subnet manager, tokens and users; the login form."""

from flask import Response, g, jsonify, request

from lab.ufm.accounts import ADMIN, User
from lab.ufm.errors import ForbiddenError, NotFoundError
from lab.ufm.middleware import LOGIN_PAGE, WEB
from lab.ufm.responses.common import body, ufm


def version() -> Response:
    """Return the release; since 6.18 with the versions of UFM's components."""
    components = dict.fromkeys(("opensm", "sharp", "ibdiagnet", "telemetry", "mft", "ufm_webui"), "")
    since_6_18 = {**components, "plugins": {}} if ufm().since(6, 18) else {}
    return jsonify(ufm_release_version=ufm().release, **since_6_18)


def smconf() -> Response:
    """Return OpenSM's defaults, which the lab's fabric uses."""
    return jsonify(subnet_prefix="0xfe80000000000000", m_key="0x0", sm_key="0x1", sa_key="0x1", m_key_per_port=False)


def tokens() -> Response:
    """Return the caller's tokens."""
    return jsonify(ufm().accounts.tokens_of(g.user))


def create_token() -> Response:
    """Create a token for the caller."""
    return jsonify(ufm().accounts.create_token(g.user))


def revoke_token() -> Response:
    """Revoke the token in the form field `token`."""
    ufm().accounts.revoke(g.user, request.form.get("token", ""))
    return jsonify({})


def users() -> Response:
    """Return the users that the caller may see: itself, or all if it is a system administrator."""
    found = ufm().accounts.users.values()
    return jsonify([_user(user) for user in found if g.user.role == ADMIN or user.name == g.user.name])


def one_user(name: str) -> Response:
    """Return a user."""
    user = ufm().accounts.users.get(name)
    if user is None or (g.user.role != ADMIN and name != g.user.name):
        raise NotFoundError(f"no user {name!r}")
    return jsonify(_user(user))


def _user(user: User) -> dict[str, str]:
    return {"name": user.name, "group": user.role}


def change_user(name: str) -> Response:
    """Change the password of the caller, or of any user if the caller is a system administrator."""
    if g.user.role != ADMIN and g.user.name != name:
        raise ForbiddenError("no permission")
    ufm().accounts.set_password(name, str(body().get("password", "")))
    return jsonify(name=name)


def dologin() -> Response:
    """Handle the login form: set the session cookie and redirect to the web pages."""
    accounts = ufm().accounts
    user = accounts.login(request.form.get("httpd_username", ""), request.form.get("httpd_password", ""))
    response = Response(status=302, headers={"Location": WEB})
    response.set_cookie("session", accounts.open_session(user), httponly=True, secure=True, path="/")
    return response


def login_page() -> Response:
    """Return the login page. The lab has no other page of the web interface."""
    return Response(LOGIN_PAGE, mimetype="text/html")
