"""Typed methods for the calls of UFM's REST API that the resources need, one small method per call.

A write returns the partition as read back afterwards: UFM's answers to writes contain no result. A read may not show
the write yet, so it is repeated for some seconds; the caller judges what UFM has not taken by then.

Sources: NVIDIA's UFM Enterprise REST API guide; the answers' shapes are those that the clients infra-controller,
ib-kubernetes and networking-mlnx handle.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from . import errors, partition
from .login import LONGEST_PREFIX
from .partition import Member, Membership, Partition
from .transport import Call, Transport

PKEYS = "/resources/pkeys"
GROUPS = "/resources/groups"
WITH_MEMBERS = {"guids_data": "true"}
WITH_ALL = {**WITH_MEMBERS, "qos_conf": "true"}
"""Valid for a single partition only; the list of all breaks with both parameters (NVIDIA bug 5409095)."""

REQUEST_LINE = 8190
"""Maximum length in bytes of a request line that Apache accepts (its LimitRequestLine)."""


class Client(Transport):
    """UFM at one address, as one user. Safe to share between threads.

    Every method raises:
        UnreachableError: no answer within the timeouts; CertificateError if TLS is not trusted.
        AuthenticationError: UFM rejects the user or the password.
        AnswerError: any other refusal, by its status (see `errors`).
    """

    def version(self) -> str:
        """Return UFM's release, e.g. 6.14.5-2; empty if UFM does not tell it."""
        return str(self._json(Call("GET", "/app/ufm_version"), dict).get("ufm_release_version", ""))

    def release(self) -> tuple[int, ...]:
        """Return the numbers of `version` up to the dash, for comparison: (6, 14, 5)."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version().partition("-")[0]))

    # Partitions

    def list_pkeys(self) -> dict[str, Partition]:
        """Return all partitions by PKey, including UFM's own 0x7fff.

        Some releases answer with a list of PKeys instead of an object; each partition is then read on its own.
        """
        call = Call("GET", PKEYS)
        answer = self._json(call, dict, list, params=WITH_MEMBERS)
        try:
            if isinstance(answer, list):
                pkeys = [partition.pkey(str(e["pkey"] if isinstance(e, dict) else e)) for e in answer]
                return {pkey: current for pkey in pkeys if (current := self.get_pkey(pkey))}
            return partition.parse_all(answer)
        except (ValueError, KeyError):
            raise self._error(errors.ShapeError, call, "the answer is not a list of PKeys") from None

    def get_pkey(self, pkey: str) -> Partition | None:
        """Return the partition with members and QoS; None if UFM does not have it (404, or 200 with `{}`)."""
        call = Call("GET", f"{PKEYS}/{pkey}", pkey, absent_is_fine=True)
        response = self._send(call, params=WITH_ALL)
        if response.status_code == 404:
            return None
        try:
            return partition.parse(pkey, self._decoded(call, response, dict))
        except ValueError:
            raise self._error(errors.ShapeError, call, "the answer is not this partition") from None

    def set_guids(
        self,
        pkey: str,
        guids: Iterable[str],
        *,
        membership: Membership | Mapping[str, Membership] = "full",
        index0: bool = False,
        ip_over_ib: bool | None = None,
        **more: Any,
    ) -> Partition | None:
        """Make `guids` the partition's only members in one PUT; create the partition if it is absent.

        UFM applies the difference only: the traffic of members that stay is not interrupted.

        Args:
            pkey: the partition.
            guids: port GUIDs in UFM's spelling.
            membership: of all members, or by GUID.
            index0: whether the PKey becomes the first entry of the ports' P_Key tables.
            ip_over_ib: None leaves it to UFM.
            more: `partition_name` from release 6.22, the keys of `partition.QOS` from 6.24.

        Returns:
            The partition as read back.
        """
        return self._write_guids("PUT", pkey, guids, membership, index0, ip_over_ib, more)

    def set_qos(self, pkey: str, qos: Mapping[str, float]) -> Partition | None:
        """Set the quality of service of an existing partition. The fabric applies it at UFM's next start.

        Returns the partition as read back.
        """
        self._send(Call("PUT", f"{PKEYS}/qos_conf", pkey), json={"pkey": pkey, **_whole(qos)})
        return self._read_back(pkey, lambda found: found is not None and qos.items() <= found.qos.items())

    def add_guids(
        self,
        pkey: str,
        guids: Iterable[str],
        *,
        membership: Membership = "full",
        index0: bool = False,
        ip_over_ib: bool | None = None,
        **more: Any,
    ) -> Partition | None:
        """Add `guids` to the partition and keep its other members; create the partition if it is absent.

        All get the same membership: UFM's POST ignores a list `memberships` and makes such members full.
        `more`: `partition_name` from release 6.22. Returns the partition as read back.
        """
        return self._write_guids("POST", pkey, guids, membership, index0, ip_over_ib, more)

    def remove_guids(self, pkey: str, guids: Iterable[str]) -> Partition | None:
        """Remove `guids`, members or not; UFM deletes the partition with its last member.

        Returns the partition as read back.
        """
        path = f"{PKEYS}/{pkey}/guids/"
        removed = list(guids)
        for csv in chunks(path, removed):
            self._send(Call("DELETE", path, pkey, csv, absent_is_fine=True))
        return self._read_back(pkey, lambda found: found is None or found.members.keys().isdisjoint(removed))

    def delete_pkey(self, pkey: str) -> Partition | None:
        """Delete the partition with all its members. Return what is left of it, which should be None."""
        self._send(Call("DELETE", f"{PKEYS}/{pkey}", pkey, absent_is_fine=True))
        return self._read_back(pkey, lambda found: found is None)

    # Inventory

    def ports(self, sys_type: str | None = None) -> list[dict[str, Any]]:
        """Return the fabric's ports as UFM describes them: guid, system_name, number, logical_state and more.

        GUIDs have UFM's usual spelling. Ports without a valid GUID are left out: they are members of nothing.
        `sys_type`: Computer or Switch; None for all.
        """
        records = self._records("/resources/ports", {"sys_type": sys_type} if sys_type else None)
        found = []
        for port in records:
            with suppress(ValueError):
                found.append({**port, "guid": partition.guid(str(port.get("guid")))})
        return found

    def systems(self) -> list[dict[str, Any]]:
        """Return the fabric's hosts and switches as UFM describes them."""
        return self._records("/resources/systems")

    # Groups

    def groups(self) -> dict[str, str]:
        """Return the description of every group by name."""
        return {str(group.get("name")): str(group.get("description", "")) for group in self._records(GROUPS)}

    def create_group(self, name: str, description: str) -> str | None:
        """Create a group without members. Return its description as read back: another one if the group existed.

        NVIDIA does not document the answer for an existing group, so any refusal is judged by the read-back.

        Raises:
            RejectedError: UFM refuses the group, and does not have it.
        """
        refused: errors.RejectedError | None = None
        try:
            self._send(Call("POST", GROUPS), json={"name": name, "type": "General", "description": description})
        except errors.RejectedError as error:
            refused = error
        found = self._described(name, lambda text: text is not None)
        if found is None and refused:
            raise refused
        return found

    def describe_group(self, group: str, description: str) -> str | None:
        """Change the description of a group, and return it as read back."""
        self._send(Call("PUT", f"{GROUPS}/{group}"), json={"description": description})
        return self._described(group, lambda text: text == description)

    def delete_group(self, group: str) -> None:
        """Delete a group; one that does not exist is not an error."""
        self._send(Call("DELETE", f"{GROUPS}/{group}", absent_is_fine=True))

    def _described(self, name: str, shows: Callable[[str | None], bool]) -> str | None:
        for pause in self._settle:
            found = self.groups().get(name)
            if shows(found) or self._cancelled.wait(pause):
                return found
        return self.groups().get(name)

    # Credentials

    def create_token(self) -> dict[str, Any]:
        """Create an access token of the user: `access_token` (secret), `issued_at` (epoch seconds), `expires_in` (s).

        Not retried: each call creates another token.
        """
        left = "if UFM has created a token anyway, revoke it there (Token-based Authentication)"
        call = Call("POST", "/app/tokens", once=left)
        token: dict[str, Any] = self._json(call, dict)
        if not token.get("access_token"):
            raise self._error(errors.ShapeError, call, "the answer contains no access token")
        return token

    def tokens(self) -> list[dict[str, Any]]:
        """Return the user's access tokens, which are secrets."""
        return self._records("/app/tokens")

    def clock(self) -> float | None:
        """Return UFM's time in seconds since the epoch, from the header Date of an answer; None if it has none."""
        date = self._send(Call("GET", "/app/ufm_version")).headers.get("Date")
        return parsedate_to_datetime(date).timestamp() if date else None

    def revoke_token(self, token: str) -> None:
        """Revoke `token` permanently; a token that UFM does not know is not an error."""
        # A file without a name is a plain multipart field, which UFM expects here.
        self._send(Call("POST", "/app/tokens/revoke", absent_is_fine=True), files={"token": (None, token)})

    def set_password(self, password: str) -> None:
        """Change the user's password; this client continues to send the old one."""
        self._send(Call("PUT", f"/app/users/{self.user}"), json={"password": password})

    def _write_guids(
        self,
        verb: str,
        pkey: str,
        guids: Iterable[str],
        membership: Membership | Mapping[str, Membership],
        index0: bool,
        ip_over_ib: bool | None,
        more: Mapping[str, Any],
    ) -> Partition | None:
        sent = list(guids)
        body = {"pkey": pkey, "guids": sent, **_memberships(sent, membership), "index0": index0, **_whole(more)}
        if ip_over_ib is not None:
            body["ip_over_ib"] = ip_over_ib
        # A second identical POST changes nothing, so it may be retried like the PUT.
        self._send(Call(verb, PKEYS, pkey), json=body)
        return self._read_back(pkey, lambda found: found is not None and _shows(found, body, exactly=verb == "PUT"))

    def _read_back(self, pkey: str, shows: Callable[[Partition | None], bool]) -> Partition | None:
        """Return the partition once it `shows` a write, or as it is after the last pause of `settle`."""
        for pause in self._settle:
            found = self.get_pkey(pkey)
            if shows(found) or self._cancelled.wait(pause):
                return found
        return self.get_pkey(pkey)


def _shows(found: Partition, body: Mapping[str, Any], *, exactly: bool) -> bool:
    """Return whether a partition shows what a write of members sent; `exactly`: and no other members."""
    sent = body.get("memberships") or [body["membership"]] * len(body["guids"])
    members = {guid: Member(membership, body["index0"]) for guid, membership in zip(body["guids"], sent, strict=True)}
    return (
        members.items() <= found.members.items()
        and (not exactly or len(found.members) == len(members))
        and body.get("ip_over_ib") in (None, found.ip_over_ib)
        and body.get("partition_name") in (None, found.name)
        and all(found.qos.get(key) == body[key] for key in partition.QOS if key in body)
    )


def _memberships(guids: list[str], membership: Membership | Mapping[str, Membership]) -> dict[str, Any]:
    """Return `membership` for all of them, or the list `memberships` in their order: UFM takes one of the two."""
    if isinstance(membership, str):
        return {"membership": membership}
    each = [membership[guid] for guid in guids]
    return {"memberships": each} if len(set(each)) > 1 else {"membership": each[0]}


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write whole numbers as integers: the engine sends every number as a float, and UFM rejects 2.0 as an MTU."""
    return {key: int(v) if isinstance(v, float) and v.is_integer() else v for key, v in values.items()}


def chunks(path: str, guids: Iterable[str]) -> Iterator[str]:
    """Yield `guids` as comma-separated texts, each short enough for the request line of a DELETE of `path`."""
    room = REQUEST_LINE - len(f"DELETE {LONGEST_PREFIX}{path} HTTP/1.1\r\n")
    ordered = list(guids)
    most = (room + 1) // 17  # 16 digits and a comma, which the last GUID does not need
    for start in range(0, len(ordered), most):
        yield ",".join(ordered[start : start + most])
