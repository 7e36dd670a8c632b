"""The kinds of host, one class each: `ufm`, `undercloud`, `controller`, `compute`, `guest`, on the base class `host`.

What distinguishes kinds (operating system, state, hardware, what a reboot loses) belongs here. Emulated commands are
registered for one or more of these classes, see `lab.hosts.registry`.
"""
