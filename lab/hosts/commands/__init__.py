"""The emulated commands, a module an area. Importing this package registers them (`lab.hosts.call.COMMANDS`)."""

from lab.hosts.commands import common, ufm

__all__ = ["common", "ufm"]
