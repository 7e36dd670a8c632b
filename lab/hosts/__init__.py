"""The lab's hosts: real OpenSSH servers and real root file systems; commands that need hardware or hours are emulated.

An emulated command runs `client`, which passes its arguments and streams to the `keeper`. The keeper looks up the
handler in the `registry` by kind of host and name, and calls it with a `Call`. Modules, each importing only those
above it:

    outcomes    how a command ends other than by returning its exit status
    registry    kind of host and command name → handler
    state       what is remembered of a host, one record per kind
    root        a host's file system
    machine     a host's processes: first process, SSH server
    keys        SSH key pairs
    templates   TripleO's templates, as the undercloud's package installs them
    backends    the fabric, UFM and cloud that the hosts act on
    kinds       one class per kind of host
    rack        every host of the rack, and the guests
    call        one call of an emulated command
    output      argument parser and tables in the format of the real tools
    step_faults faults that tests inject into long commands
    commands    the handlers, one module per subject
    keeper      the process that owns the rack and answers the emulated commands
    part        the hosts under `make lab`: `HostsPart`
"""

from lab.hosts.part import HostsPart

__all__ = ["HostsPart"]
