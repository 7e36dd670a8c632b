"""A real OpenSM on ibsim's simulated switches and HCAs, wired after the plan.

Three layers, each a module a reader can take alone:

    topology    the fabric as data, and ibsim's file made from it (pure)
    controller  one process that owns ibsim's console and OpenSM, and answers on a Unix socket
    client      the socket's calls; standard library only, imports nothing of this project

`part` puts it under `make lab`; `tools` runs the real infiniband-diags against it.
"""
