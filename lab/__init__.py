"""The embedded lab: the guide's rack on one machine, real but for the hardware.

Four parts, each a package with a `Part` of its own, know only the plan (`rack`) and the two modules beside this one
(`addresses`, `process`); the product never imports any of them:

    fabric   a real OpenSM on ibsim's simulated switches and HCAs, wired after the plan
    ufm      UFM's REST face over that fabric
    cloud    a real OpenStack control plane, configured from the files the program ships
    hosts    one OpenSSH server a host of the rack, in a root of its own
"""
