"""Continue after a short outage of the cloud's APIs (C8).

The OpenStack provider gives up at the first request without an answer: `max_retries` would repeat it at once, without
a pause and whatever it is. The engine asks these hooks instead, before each create and after each failure:

    before     wait until keystone answers, because the provider keeps the failure of its first login until it ends;
               note which objects that the create could have made exist already
    after      wait until all APIs answer, with a message; delete what the failed create has made, which its owner mark
               identifies; then have the engine repeat the operation

An engine before 3.219 has no hook for failures: the error ends the `up`, as without this module.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from cloud import kinds
from cloud.client import CloudApi, CloudError, Login, OutageError
from cloud.hooks import has_error_hooks
from rack import outage

LIMIT = 300
"""Seconds that one operation waits for the APIs, over all of its attempts. The engine's first interrupt does not end a
hook, so the limit is not longer."""
ATTEMPTS = 6
"""Failures of one operation after which it is given up: the APIs answer, and it still fails."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two questions whether the APIs answer."""
FRESH = 3
"""Seconds during which an answer of all APIs counts for the creates that follow."""

Say = Callable[[str], None]
AGAIN = "run `pulumi up` again"
RECOVER = "run `python -m rack recover --stack {}`, then `pulumi up` again"


class Outages:
    """The hooks of all resources in one cloud. `login`: its administrator's."""

    def __init__(
        self,
        login: pulumi.Output[Login],
        api: Callable[[Login], CloudApi] = CloudApi,
        say: Say = pulumi.log.warn,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._login, self._make, self._say, self._pause = login, api, say, pause
        self._api: CloudApi | None = None
        self._turn: asyncio.Lock | None = None
        self._answered = float("-inf")
        self._before: dict[str, set[str]] = {}
        self._since: dict[str, float] = {}

    def binding(self) -> pulumi.ResourceHookBinding | None:
        """Return the hooks for the options of a resource; None if the engine has none."""
        if not has_error_hooks():
            return None
        before = pulumi.ResourceHook("cloud-answers", self.before)
        return pulumi.ResourceHookBinding(
            before_create=[before], before_update=[before], on_error=[pulumi.ErrorHook("cloud-outage", self.after)]
        )

    async def before(self, args: pulumi.ResourceHookArgs) -> None:
        """Wait until the cloud answers, and note the objects that the create could have made.

        Raises:
            OutageError: an API does not answer within the limit.
            RefusedRequestError: keystone refuses the login.
        """
        api = await self._cloud()
        search = kinds.search(args.type, args.new_inputs or {}) if args.old_inputs is None else None
        try:
            await self._look(api, args, search)
        except OutageError as error:
            raise OutageError(f"{error}; {AGAIN}") from None

    async def _look(self, api: CloudApi, args: pulumi.ResourceHookArgs, search: kinds.Search | None) -> None:
        deadline = time.monotonic() + LIMIT
        while True:
            if time.monotonic() - self._answered > FRESH:
                await self._wait(api, args.name, deadline)
            if search is None:
                return
            try:
                self._before[args.urn] = {found.id for found in await asyncio.to_thread(search.find, api)}
            except OutageError:  # it went away in between
                self._answered = float("-inf")
                continue
            return

    async def after(self, args: pulumi.ErrorHookArgs) -> bool:
        """Return whether the engine shall repeat the operation, once the cloud answers."""
        if not outage.passing(args.errors[0]):
            self._name_leftovers(args)
            return False
        api, began = await self._cloud(), self._since.setdefault(args.urn, time.monotonic())
        advice = RECOVER.format(pulumi.get_stack()) if args.failed_operation == "create" else AGAIN
        if len(args.errors) >= ATTEMPTS:
            self._say(f"{args.name}: failed {ATTEMPTS} times, although the cloud's APIs answer; {advice}")
            return False
        await asyncio.sleep(min(self._pause * 2 ** len(args.errors), 8 * LONGEST_PAUSE))
        try:
            await self._wait(api, args.name, began + LIMIT)
            return args.failed_operation != "create" or await self._repeatable(api, args)
        except CloudError as error:
            self._say(f"{args.name}: {error}; {advice}")
            return False

    def _name_leftovers(self, args: pulumi.ErrorHookArgs) -> None:
        """Name the command that imports what a killed `up` has created: such an object refuses a second one."""
        there = self._before.get(args.urn)
        if args.failed_operation == "create" and there:
            found = f"{', '.join(sorted(there))} is in the cloud already, perhaps of an interrupted `up`"
            self._say(f"{args.name}: {found}; {RECOVER.format(pulumi.get_stack())}")

    async def _cloud(self) -> CloudApi:
        if self._api is None:
            login = await self._login.future()
            assert login is not None
            self._api = self._api or self._make(login)
        return self._api

    async def _wait(self, api: CloudApi, name: str, deadline: float) -> None:
        """Return when all APIs answer. One resource asks and reports; the others wait for it."""
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            pause, said = self._pause, ""
            while silent := await asyncio.to_thread(api.silent):
                problem = ", ".join(silent)
                if time.monotonic() + pause > deadline:
                    raise OutageError(f"{problem}, for {LIMIT:.0f} s")
                if problem != said:
                    left = deadline - time.monotonic()
                    self._say(f"{name}: {problem}; waiting, at most {left:.0f} s (two interrupts end it)")
                    said = problem
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            self._answered = time.monotonic()
            if said:
                self._say(f"{name}: the cloud's APIs answer again")

    async def _repeatable(self, api: CloudApi, args: pulumi.ErrorHookArgs) -> bool:
        """Return whether a repetition of the create makes no duplicate, after deleting what the create has left."""
        inputs: Mapping[str, Any] = args.new_inputs or {}
        kind = kinds.BY_TYPE.get(args.type)
        if kind and kind.repeatable:
            return True
        search = kinds.search(args.type, inputs)
        if search is None or args.urn not in self._before:
            self._say(f"{args.name}: may exist, and no mark identifies it; look for it in the cloud, then {AGAIN}")
            return False
        self._answered = float("-inf")
        made = {each.id: each for each in await asyncio.to_thread(search.find, api)}
        made = {id_: each for id_, each in made.items() if id_ not in self._before[args.urn]}
        for id_, each in sorted(made.items()):
            self._say(f"{args.name}: the failed create has made {id_}; deleting it")
            await asyncio.to_thread(search.kind.delete, api, each, wait=False)
        pause = self._pause
        while any(each.id in made for each in await asyncio.to_thread(search.find, api)):
            if time.monotonic() > self._since[args.urn] + LIMIT:
                raise OutageError(
                    f"{', '.join(sorted(made))} is still there after its deletion; delete it, then {AGAIN}"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        return True
