"""UFM's REST face over the lab's fabric: what real clients of UFM see, with a real OpenSM behind it.

    partitions  the PKey table and what may be done to it (pure)
    cloudx      Neutron's networks and ports, turned into members of that table (pure)
    core        UFM's state (users, tokens, table, jobs) on disk, and its way to OpenSM
    inventory   systems, ports, links and virtual ports, from what the fabric says
    rest        the resource tree over HTTPS
    faults      rules that have requests fail, for whoever wants to see a client live with it
    server      the process: rest, and the lab's own handle on it (install, stop, state, request log, faults...)
    part        under `make lab`

What is known of the real UFM, and where the lab chose where nothing is known: `docs/lab-ufm.md`.
"""
