"""A simulator of UFM's REST API in front of the lab's OpenSM.

    urls            the paths, and `responses` for them; `authentication`, `middleware`, `app`: what is around them
    simulator       UFM's state, composed of `accounts`, `partitions` (the PKey table), `cloudx` (Neutron) and `jobs`
    programmer      writes the PKey table to OpenSM
    resources       systems, ports, links and virtual ports, from the nodes of the fabric
    faults          rules that make requests fail, for tests of clients
    installation    installs, upgrades, stops, starts and removes UFM; `admin` is its HTTP API for the lab
    service         runs it under `make lab`

`docs/lab-ufm.md` describes the API, names the sources, and lists the behaviour that the sources leave open.
"""
