"""The real tools of OpenStack Wallaby, asked about a rendered bundle: tripleoclient, tripleo-common, tripleo-ansible,
os-net-config, diskimage-builder and the Heat engine with tripleo-heat-templates 14.3.0.

`tools` brings them from the package index into a virtual environment of their own, once, with locked hashes; nothing
of them is imported here. `checks` asks them through the programs in `inside/`, which run in that environment. Where
they are silent, `rack.tripleo.check` and the loops in `inside/` bite.
"""
