"""`rack doctor`: looks at a real site and changes nothing.

Run it before the first `up`, or when something is wrong. It reads the stack's file and no Pulumi state, and enters the
UFM host and the undercloud as `up` will. A probe (`onhost/probe.py`), which runs there and is not stored, reaches BMCs,
the switch and servers.

    finding   what was found, where, how to fix it, the guide's step
    case      the site, its secrets, and what the operator's machine has
    ssh       the system's ssh with pinned host keys
    local     the operator's machine: files, secrets, programs
    ufm       UFM's REST API
    ufm_host  UFM's host: system, software, disk, licence
    hosts     the undercloud, and what it reaches
    builder   the build host of guest images
    nodes     overcloud nodes that are up
    command   runs all checks at the same time and reports
"""
