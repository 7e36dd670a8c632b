"""The embedded lab: four services on loopback that stand for one rack.

Each service implements `lab.service.Service`:

    fabric   OpenSM on ibsim's simulated switches and HCAs, cabled as the plan says
    ufm      UFM's REST API in front of that fabric
    cloud    an OpenStack control plane, configured from the files that the program ships
    hosts    one OpenSSH server and one root file system per host of the rack

`lab.assembly` creates the four for a stack's file; `python -m lab` installs, starts and stops them. The product never
imports this package.
"""
