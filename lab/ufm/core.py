"""UFM's state and its way to OpenSM.

All of it is one JSON file, replaced in one step after every change, so a restart finds what was answered. OpenSM
follows: a thread writes the newest table to the fabric's controller while the table is newer than what OpenSM has.
A real UFM too answers before its fabric is programmed.
"""

import hashlib
import hmac
import json
import re
import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.fabric.client import FabricClient, FabricError
from lab.ufm.cloudx import CloudX
from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError, UnauthorizedError
from lab.ufm.partitions import Table, render

ADMIN = "system_admin"
ROLES = (ADMIN, "fabric_admin", "fabric_operator", "monitoring_only")
DEFAULT_PASSWORD = "123456"  # noqa: S105
"""What UFM comes with (user admin); the installation's first duty is to replace it."""
PASSWORD = re.compile(r"[A-Za-z0-9_]{4,30}")
TOKEN_SECONDS = 315_360_000
"""Ten years, as UFM's own tokens."""

KEPT_JOBS = 500

RELEASE = "6.19.3-1"
"""What is installed where nobody says otherwise."""
RELEASES = re.compile(r"(\d+)\.(\d+)\.(\d+)-(\d+)")


@dataclass
class Quirks:
    """Where real UFMs differ from each other or from their documentation, and a client must live with both."""

    post_ignores_memberships: bool = True
    """POST makes every member full whatever `memberships` says (nv-config-manager PR #95)."""
    unknown_pkey_404: bool = False
    """GET of an unknown PKey is 404, not 200 with {}."""
    add_status: int = 200
    """Of POST /resources/pkeys/add: 200 or 201."""
    strict_guids: bool = False
    """A GUID which is not on the fabric is refused (404), as NVIDIA's own mock does."""


@dataclass(frozen=True)
class User:
    name: str
    role: str
    salt: str
    digest: str

    @staticmethod
    def make(name: str, role: str, password: str) -> "User":
        """
        Raises:
            BadRequestError: the password breaks UFM's rule, or there is no such role.
        """
        if not PASSWORD.fullmatch(password):
            raise BadRequestError("password: 4 to 30 letters, digits or underscores")
        if role not in ROLES:
            raise BadRequestError(f"role: one of {', '.join(ROLES)}")
        salt = secrets.token_hex(16)
        return User(name, role, salt, _digest(salt, password))

    def accepts(self, password: str) -> bool:
        return hmac.compare_digest(self.digest, _digest(self.salt, password))


def checked_release(release: object) -> str:
    """
    Raises:
        BadRequestError: it is no release of UFM.
    """
    if not (isinstance(release, str) and RELEASES.fullmatch(release)):
        raise BadRequestError(f"release: {release!r}: write it as UFM does, e.g. {RELEASE}")
    return release


def _digest(salt: str, password: str) -> str:
    # One fast hash: it runs at every request, and what it protects are the lab's own throw-away passwords.
    return hashlib.sha256(f"{salt}{password}".encode()).hexdigest()


class Ufm:
    """One installed UFM. Thread-safe; the reader of `table` and `cloudx` holds `lock`."""

    def __init__(self, path: Path, hosts: Mapping[str, str], release: str | None = None) -> None:
        """`path`: the state file; a missing one is a fresh installation. `hosts`: see `CloudX`. `release`: what is
        installed from now on; None leaves it as it is.

        Raises:
            BadRequestError: `release` is none.
        """
        self._path = path
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 0
        """Grows with every change of the table."""
        self.last_updated: datetime | None = None
        """Of the table, since the start."""
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.release = checked_release(release or stored.get("release", RELEASE))
        self.quirks = Quirks(**stored.get("quirks", {}))
        self.users = {user["name"]: User(**user) for user in stored.get("users", [])}
        self.tokens: dict[str, dict[str, Any]] = stored.get("tokens", {})
        self.sessions: dict[str, str] = {}
        self.table = Table(stored.get("pkeys"))
        self.cloudx = CloudX(hosts, stored.get("cloudx"))
        self.jobs: dict[int, dict[str, Any]] = {int(number): job for number, job in stored.get("jobs", {}).items()}
        self._last_job = int(stored.get("last_job", 0))
        self._looks: dict[int, int] = {}
        """How often a job that still runs is looked at before it ends."""
        if not self.users:
            self.users["admin"] = User.make("admin", ADMIN, DEFAULT_PASSWORD)
        if stored.get("release") != self.release:
            self._save()

    def since(self, *release: int) -> bool:
        """Whether this is the release, as in `since(6, 22)`, or a later one."""
        return tuple(map(int, RELEASES.fullmatch(self.release).groups())) >= release  # type: ignore[union-attr]

    @contextmanager
    def changing(self) -> Iterator[Table]:
        """The table, to be changed; what was done is on disk and on its way to OpenSM afterwards."""
        with self.lock:
            yield self.table
            self.version += 1
            self.last_updated = datetime.now(UTC)
            self._save()
            self.changed.notify_all()

    def login(self, name: str, password: str) -> User:
        """
        Raises:
            UnauthorizedError: no such user, or another password.
        """
        user = self.users.get(name)
        if user is None or not user.accepts(password):
            raise UnauthorizedError("bad credentials")
        return user

    def open_session(self, user: User) -> str:
        session = secrets.token_urlsafe(24)
        self.sessions[session] = user.name
        return session

    def user_of_session(self, session: str) -> User:
        """
        Raises:
            UnauthorizedError: no such session.
        """
        return self._user(self.sessions.get(session))

    def user_of_token(self, token: str) -> User:
        """
        Raises:
            UnauthorizedError: no such token, or a revoked one.
        """
        return self._user(self.tokens.get(token, {}).get("username"))

    def set_password(self, name: str, password: str) -> None:
        """Sessions of the user end; tokens have a life of their own.

        Raises:
            NotFoundError: no such user.
            BadRequestError: the password breaks the rule.
        """
        with self.lock:
            if name not in self.users:
                raise NotFoundError(f"no user {name!r}")
            self.users[name] = User.make(name, self.users[name].role, password)
            self.sessions = {session: owner for session, owner in self.sessions.items() if owner != name}
            self._save()

    def add_user(self, name: str, role: str, password: str) -> None:
        """
        Raises:
            BadRequestError: see `User.make`.
        """
        with self.lock:
            self.users[name] = User.make(name, role, password)
            self._save()

    def create_token(self, user: User) -> dict[str, Any]:
        """
        Raises:
            ForbiddenError: only system administrators have tokens.
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
        with self.lock:
            self.tokens[str(token["access_token"])] = token
            self._save()
        return token

    def tokens_of(self, user: User) -> list[dict[str, Any]]:
        with self.lock:
            return [token for token in self.tokens.values() if token["username"] == user.name]

    def revoke(self, user: User, token: str) -> None:
        """
        Raises:
            NotFoundError: the user has no such token.
        """
        with self.lock:
            if self.tokens.get(token, {}).get("username") != user.name:
                raise NotFoundError("no such token")
            del self.tokens[token]
            self._save()

    def job(self, operation: str, user: User, related: list[str], status: str = "Completed", looks: int = 0) -> int:
        """Notes a job and how it ends: at once, since the table changes at once and only OpenSM follows later, or when
        a client has looked at it `looks` times."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        with self.lock:
            self._last_job += 1
            if looks:
                self._looks[self._last_job] = looks
            self.jobs[self._last_job] = {
                "ID": str(self._last_job),
                "Status": status,
                "Progress": 100,
                "Description": operation,
                "Created": now,
                "LastUpdated": now,
                "Summary": "",
                "RelatedObjects": related or "",
                "CreatedBy": user.name,
                "Operation": operation,
                "Foreground": True,
                "SiteName": None,
            }
            self.jobs.pop(self._last_job - KEPT_JOBS, None)
            self._save()
            return self._last_job

    def looked_at(self, number: int) -> dict[str, Any]:
        """The job as its client sees it."""
        job, left = self.jobs[number], self._looks.pop(number, 0)
        if not left:
            return job
        self._looks[number] = left - 1
        return {**job, "Status": "Running", "Progress": 50}

    def delete_job(self, number: int) -> None:
        with self.lock:
            self.jobs.pop(number, None)
            self._save()

    def name_hosts(self, hosts: Mapping[str, str]) -> None:
        """`hosts`: see `CloudX`. What Neutron says from now on is understood by them."""
        with self.lock:
            self.cloudx.hosts = dict(hosts)

    def set_quirks(self, values: Mapping[str, Any]) -> None:
        """
        Raises:
            BadRequestError: there is no such quirk.
        """
        with self.lock:
            try:
                self.quirks = Quirks(**{**asdict(self.quirks), **values})
            except TypeError as error:
                raise BadRequestError(str(error)) from error
            self._save()

    def _user(self, name: str | None) -> User:
        user = self.users.get(name or "")
        if user is None:
            raise UnauthorizedError("bad credentials")
        return user

    def _save(self) -> None:
        content = {
            "release": self.release,
            "quirks": asdict(self.quirks),
            "users": [asdict(user) for user in self.users.values()],
            "tokens": self.tokens,
            "pkeys": self.table.dump(),
            "cloudx": self.cloudx.dump(),
            "jobs": self.jobs,
            "last_job": self._last_job,
        }
        beside = self._path.with_name(self._path.name + ".new")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(content))
        beside.replace(self._path)


class Programmer:
    """Keeps OpenSM's partitions those of a UFM's table."""

    RETRY_SECONDS = 1.0

    def __init__(self, ufm: Ufm, fabric: FabricClient) -> None:
        """OpenSM starts with UFM. Where there is no partition yet, that would change nothing but take its time."""
        self._ufm = ufm
        self._fabric = fabric
        self._starting = bool(ufm.table.partitions)
        self._programmed = -1
        self._stopped = False
        self.error: str | None = None
        """Why the newest table is not in OpenSM."""
        self._thread = threading.Thread(target=self._run, daemon=True, name="programmer")
        self._thread.start()

    @property
    def up_to_date(self) -> bool:
        return self._programmed == self._ufm.version

    def stop(self) -> None:
        """Returns when nothing is written any more."""
        with self._ufm.changed:
            self._stopped = True
            self._ufm.changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            version, text = work
            try:
                self._fabric.partitions(text, restart=self._starting)
                self._programmed, self._starting, self.error = version, False, None
            except FabricError as error:
                if self.error != str(error):
                    print(f"OpenSM not programmed: {error}", flush=True)
                self.error = str(error)

    def _next(self) -> tuple[int, str] | None:
        """The newest table when OpenSM has an older one; None at the end. Waits after an error."""
        with self._ufm.changed:
            if self.error is not None:
                self._ufm.changed.wait_for(lambda: self._stopped, self.RETRY_SECONDS)
            self._ufm.changed.wait_for(lambda: self._stopped or not self.up_to_date)
            return None if self._stopped else (self._ufm.version, render(self._ufm.table))
