"""The lab's hosts: a real OpenSSH server and a real root each; only what needs hardware or hours is emulated.

part        the hosts under `make lab`: `HostsPart`
keeper      the process that owns the rack and answers the emulated commands
rack        the machines, their power, and what that does to fabric and cloud
machine     one host: SSH server, first process, what is remembered
root        a host's file system
call        one call of an emulated command
commands    the emulated commands, a module an area
backends    the fabric, UFM and cloud that the hosts act on
"""

from lab.hosts.part import HostsPart

__all__ = ["HostsPart"]
