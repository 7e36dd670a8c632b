"""UFM's users, their access tokens and their sessions."""

import hashlib
import hmac
import re
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError, UnauthorizedError

ADMIN = "system_admin"
ROLES = (ADMIN, "fabric_admin", "fabric_operator", "monitoring_only")
DEFAULT_PASSWORD = "123456"  # noqa: S105
"""The password of user admin after an installation of UFM; the deployment replaces it."""
PASSWORD = re.compile(r"[A-Za-z0-9_]{4,30}")
TOKEN_SECONDS = 315_360_000
"""Ten years, as in UFM."""


@dataclass(frozen=True)
class User:
    """A local user of UFM. The password is stored as a salted hash."""

    name: str
    role: str
    salt: str
    digest: str

    @staticmethod
    def create(name: str, role: str, password: str) -> "User":
        """Return a user with a new salt.

        Raises:
            BadRequestError: the password does not match `PASSWORD`, or the role is not in `ROLES`.
        """
        if not PASSWORD.fullmatch(password):
            raise BadRequestError("password: 4 to 30 letters, digits or underscores")
        if role not in ROLES:
            raise BadRequestError(f"role: one of {', '.join(ROLES)}")
        salt = secrets.token_hex(16)
        return User(name, role, salt, _digest(salt, password))

    def accepts(self, password: str) -> bool:
        """Return whether this is the user's password."""
        return hmac.compare_digest(self.digest, _digest(self.salt, password))


def _digest(salt: str, password: str) -> str:
    # One fast hash: it is computed for every request, and it only protects throw-away passwords of the lab.
    return hashlib.sha256(f"{salt}{password}".encode()).hexdigest()


class Accounts:
    """Users, tokens and sessions of one UFM. Thread-safe. Sessions are lost when UFM restarts."""

    def __init__(self, stored: Mapping[str, Any], lock: threading.RLock, save: Callable[[], None]) -> None:
        """Read what `dump` returned, or create user admin.

        Args:
            stored: the content of UFM's state file.
            lock: protects the state file.
            save: writes the state file; called with `lock` held.
        """
        self._lock, self._save = lock, save
        self.users = {user["name"]: User(**user) for user in stored.get("users", [])}
        self.tokens: dict[str, dict[str, Any]] = stored.get("tokens", {})
        self.client_sans: dict[str, str] = stored.get("client_cert_sans", {})
        """Alternative name of a client certificate → user. If there is one, /ufmRest takes certificates only."""
        self._sessions: dict[str, str] = {}
        if not self.users:
            self.users["admin"] = User.create("admin", ADMIN, DEFAULT_PASSWORD)

    def dump(self) -> dict[str, Any]:
        """Return users, tokens and names of client certificates for the state file."""
        users = [asdict(user) for user in self.users.values()]
        return {"users": users, "tokens": self.tokens, "client_cert_sans": self.client_sans}

    def login(self, name: str, password: str) -> User:
        """Return the user with this name and password.

        Raises:
            UnauthorizedError: the user does not exist, or has another password.
        """
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            raise UnauthorizedError("bad credentials")
        return user

    def open_session(self, user: User) -> str:
        """Return the cookie of a new session."""
        session = secrets.token_urlsafe(24)
        self._sessions[session] = user.name
        return session

    def user_of_session(self, session: str) -> User:
        """Return the user who opened the session.

        Raises:
            UnauthorizedError: the session does not exist.
        """
        return self._user(self._sessions.get(session))

    def user_of_token(self, token: str) -> User:
        """Return the user who created the token.

        Raises:
            UnauthorizedError: the token does not exist, or was revoked.
        """
        return self._user(self.tokens.get(token, {}).get("username"))

    def user_of_certificate(self, names: Iterable[str]) -> User:
        """Return the user whom an alternative name of a verified client certificate stands for.

        Raises:
            UnauthorizedError: there is none.
        """
        return self._user(next((self.client_sans[name] for name in names if name in self.client_sans), None))

    def set_client_sans(self, sans: Mapping[str, str]) -> None:
        """Replace the names of client certificates, as `PUT /app/client_authentication/settings` does."""
        with self._lock:
            self.client_sans = dict(sans)
            self._save()

    def set_password(self, name: str, password: str) -> None:
        """Change a password and end the user's sessions. Tokens stay valid, as in UFM.

        Raises:
            NotFoundError: the user does not exist.
            BadRequestError: the password does not match `PASSWORD`.
        """
        with self._lock:
            if name not in self.users:
                raise NotFoundError(f"no user {name!r}")
            self.users[name] = User.create(name, self.users[name].role, password)
            self._sessions = {session: owner for session, owner in self._sessions.items() if owner != name}
            self._save()

    def add_user(self, name: str, role: str, password: str) -> None:
        """Add a user, or replace the one with this name.

        Raises:
            BadRequestError: see `User.create`.
        """
        with self._lock:
            self.users[name] = User.create(name, role, password)
            self._save()

    def create_token(self, user: User) -> dict[str, Any]:
        """Return a new token as `/app/tokens` shows it.

        Raises:
            ForbiddenError: the user is not a system administrator.
        """
        if user.role != ADMIN:
            raise ForbiddenError("only a system administrator creates tokens")
        letters = string.ascii_letters + string.digits
        token = {
            "access_token": "".join(secrets.choice(letters) for _ in range(30)),
            "revoked": False,
            "issued_at": int(time.time()),
            "expires_in": TOKEN_SECONDS,
            "username": user.name,
        }
        with self._lock:
            self.tokens[str(token["access_token"])] = token
            self._save()
        return token

    def tokens_of(self, user: User) -> list[dict[str, Any]]:
        """Return the tokens that the user created."""
        with self._lock:
            return [token for token in self.tokens.values() if token["username"] == user.name]

    def revoke(self, user: User, token: str) -> None:
        """Delete a token.

        Raises:
            NotFoundError: the user did not create such a token.
        """
        with self._lock:
            if self.tokens.get(token, {}).get("username") != user.name:
                raise NotFoundError("no such token")
            del self.tokens[token]
            self._save()

    def _user(self, name: str | None) -> User:
        user = self.users.get(name or "")
        if user is None:
            raise UnauthorizedError("bad credentials")
        return user
