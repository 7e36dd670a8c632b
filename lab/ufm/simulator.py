"""The state of one simulated UFM: release, accounts, PKey table, Neutron's objects and jobs.

The state is one JSON file that is replaced atomically after every change, so a restart finds everything that was
answered. `lab.ufm.programmer` passes the table on to OpenSM.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.ufm.accounts import Accounts
from lab.ufm.cloudx import CloudX
from lab.ufm.errors import BadRequestError
from lab.ufm.groups import Groups
from lab.ufm.jobs import Jobs
from lab.ufm.partitions import Table
from lab.ufm.resources import Appearance

RELEASE = "6.19.3-1"
"""The release that is installed by default."""
RELEASES = re.compile(r"(\d+)\.(\d+)\.(\d+)-(\d+)")


@dataclass
class Quirks:
    """Behaviour in which real UFMs differ from each other or from their documentation."""

    post_ignores_memberships: bool = True
    """POST makes every member full and ignores `memberships` (nv-config-manager PR #95)."""
    unknown_pkey_404: bool = False
    """GET of an unknown PKey returns 404 instead of 200 with {}."""
    add_status: int = 200
    """Status of POST /resources/pkeys/add: 200 or 201."""
    group_status: int = 200
    """Status of POST /resources/groups: 200 or 201."""
    strict_guids: bool = False
    """A GUID that is not on the fabric is refused with 404, as by NVIDIA's own mock."""
    second_index0: bool = False
    """A GUID may have index0 in a second PKey; otherwise that is refused with 400."""
    absent_removal_ok: bool = False
    """Removing GUIDs from an absent PKey is 200, as by NVIDIA's own mock, instead of 404."""
    site_name: str = ""
    """Added to every JSON answer, as with `expose_site_name = true` in gv.cfg; empty: not added."""
    read_delay: float = 0
    """Seconds before a change of the table is visible to reads (nv-config-manager repeats such reads)."""


def checked_release(release: object) -> str:
    """Return `release` if it is written as UFM writes its releases.

    Raises:
        BadRequestError: it is not.
    """
    if not (isinstance(release, str) and RELEASES.fullmatch(release)):
        raise BadRequestError(f"release: {release!r}: write it as UFM does, e.g. {RELEASE}")
    return release


class UfmSimulator:
    """One installed UFM. Thread-safe; hold `lock` while reading `table` or `cloudx`."""

    def __init__(self, path: Path, hosts: Mapping[str, str], release: str | None = None) -> None:
        """Load the state file, or start a fresh installation if it does not exist.

        Args:
            path: the state file.
            hosts: see `CloudX`.
            release: installs this release; None keeps the present one.

        Raises:
            BadRequestError: `release` is not a release of UFM.
        """
        self._path = path
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 0
        """Incremented with every change of the table."""
        self.last_updated: datetime | None = None
        """Time of the last change of the table since the start."""
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.release = checked_release(release or stored.get("release", RELEASE))
        self.quirks = Quirks(**stored.get("quirks", {}))
        self.appearances = {node: Appearance(**fields) for node, fields in stored.get("inventory", {}).items()}
        """Node name → how UFM shows it."""
        self.accounts = Accounts(stored, self.lock, self._save)
        self.groups = Groups(stored, self.lock, self._save)
        self.table = Table(stored.get("pkeys"))
        self._hidden: deque[tuple[float, Table]] = deque()
        """For each change that is not visible yet: when it becomes visible, and the table before it."""
        self.cloudx = CloudX(hosts, stored.get("cloudx"))
        self.jobs = Jobs(stored, self.lock, self._save)
        if stored.get("release") != self.release:
            self._save()

    def since(self, *release: int) -> bool:
        """Return whether UFM has this release, as in `since(6, 22)`, or a later one."""
        return tuple(map(int, RELEASES.fullmatch(self.release).groups())) >= release  # type: ignore[union-attr]

    @contextmanager
    def changing(self) -> Iterator[Table]:
        """Yield the table for a change, then save it and wake the programmer. A change that raises is not saved."""
        with self.lock:
            self.table.second_index0 = self.quirks.second_index0
            before = Table(self.table.dump()) if self.quirks.read_delay else None
            yield self.table
            if before is not None:
                self._hidden.append((time.monotonic() + self.quirks.read_delay, before))
            self.version += 1
            self.last_updated = datetime.now(UTC)
            self._save()
            self.changed.notify_all()

    @property
    def visible_table(self) -> Table:
        """The table as reads see it: with `Quirks.read_delay`, changes become visible later."""
        while self._hidden and self._hidden[0][0] <= time.monotonic():
            self._hidden.popleft()
        return self._hidden[0][1] if self._hidden else self.table

    def name_hosts(self, hosts: Mapping[str, str]) -> None:
        """Use these host names for what Neutron sends from now on; see `CloudX`."""
        with self.lock:
            self.cloudx.hosts = dict(hosts)

    def set_quirks(self, values: Mapping[str, Any]) -> None:
        """Change the quirks in `values` and keep the others.

        Raises:
            BadRequestError: a name is not a field of `Quirks`.
        """
        with self.lock:
            try:
                self.quirks = Quirks(**{**asdict(self.quirks), **values})
            except TypeError as error:
                raise BadRequestError(str(error)) from error
            self._save()

    def show_hosts(self, shown: Mapping[str, Any]) -> None:
        """Show the nodes of the fabric as `shown` says, and the others as they are.

        Raises:
            BadRequestError: a value is not the fields of an `Appearance`.
        """
        try:
            appearances = {node: Appearance(**fields) for node, fields in shown.items()}
        except TypeError as error:
            raise BadRequestError(str(error)) from error
        with self.lock:
            self.appearances = appearances
            self._save()

    def _save(self) -> None:
        content = {
            "release": self.release,
            "quirks": asdict(self.quirks),
            "inventory": {node: asdict(appearance) for node, appearance in self.appearances.items()},
            "pkeys": self.table.dump(),
            "cloudx": self.cloudx.dump(),
            **self.accounts.dump(),
            **self.groups.dump(),
            **self.jobs.dump(),
        }
        temporary = self._path.with_name(self._path.name + ".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(content))
        temporary.replace(self._path)
