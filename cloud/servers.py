"""Instances that nova has in ERROR are named with nova's reason, before and after the engine works on them.

The openstack provider records an instance that nova could not start. Without a check, the next `up` would treat it as
complete, wait for its VF at UFM, and blame Neutron's driver. Hooks of the engine ask nova where something is to be
done: before an instance is updated, in a preview too, and before the steps that need running instances. An `up`
without changes asks nothing.
"""

import asyncio
import json
import re

import pulumi

from cloud import nova
from cloud.hooks import has_error_hooks

FAILED = re.compile(r"instance \(([0-9a-f-]{36})\)")
"""Where the provider's error names the instance."""


class FailedInstanceError(Exception):
    """An instance is in ERROR. The text has nova's reason and the command that replaces it."""


class Servers:
    """The state of the instances at nova, in one run of the program."""

    def __init__(self, name: str, login: pulumi.Output[str]) -> None:
        """Prepare the hooks; nothing is sent.

        Args:
            name: starts the hooks' names.
            login: the administrator's, as JSON of an rc file's variables. Nothing is asked while it is unknown.
        """
        self._login: dict[str, str] = {}
        login.apply(lambda text: self._login.update(json.loads(text)))
        self._known: dict[str, str] = {}
        """ID → URN."""
        shown = pulumi.ResourceHookOptions(on_dry_run=True)
        update = pulumi.ResourceHook(f"{name}: state of the instance", self._before_update, shown)
        ready = pulumi.ResourceHook(f"{name}: state of the instances", self._before_use, shown)
        self.instance = pulumi.ResourceHookBinding(before_update=[update], on_error=self._on_error(name))
        """For an instance."""
        self.user = pulumi.ResourceHookBinding(before_create=[ready], before_update=[ready])
        """For a step that needs running instances."""

    def watch(self, instance: pulumi.CustomResource) -> None:
        """Include an instance in the check before the steps that need running instances."""
        pulumi.Output.all(instance.id, instance.urn).apply(lambda found: self._known.update({found[0]: found[1]}))

    def _on_error(self, name: str) -> list[pulumi.ErrorHook]:
        """Return the hook after a failure. Engines that know no such hooks show the reason in the next `up`."""
        if not has_error_hooks():
            return []
        return [pulumi.ErrorHook(f"{name}: reason of the failure", self._after_failure)]

    async def _before_update(self, args: pulumi.ResourceHookArgs) -> None:
        await self._refuse({args.id: args.urn})

    async def _before_use(self, args: pulumi.ResourceHookArgs) -> None:
        await self._refuse(self._known)

    async def _after_failure(self, args: pulumi.ErrorHookArgs) -> bool:
        """Show nova's reason beside the provider's error. Nothing is retried."""
        found = FAILED.search(args.errors[0]) if args.errors else None
        if found:
            for text in await self._texts({found[1]: args.urn}):
                pulumi.log.error(text)
        return False

    async def _refuse(self, instances: dict[str, str]) -> None:
        """Raise an error for instances in ERROR. `instances`: ID → URN.

        Raises:
            FailedInstanceError: there are some.
        """
        texts = await self._texts(instances)
        if texts:
            raise FailedInstanceError("\n".join(texts))

    async def _texts(self, instances: dict[str, str]) -> list[str]:
        if not self._login or not instances:
            return []
        found = await asyncio.to_thread(nova.faults, self._login, list(instances))
        return [_text(id_, instances[id_], reason) for id_, reason in found.items()]


def _text(id_: str, urn: str, reason: str) -> str:
    name = urn.rpartition("::")[2]
    return f"instance {name} ({id_}) is in ERROR: {reason}; fix the cause, then: pulumi up --replace '{urn}'"
