"""Checks of rendered documents with the real tools of OpenStack Wallaby.

The tools are tripleoclient, tripleo-common, tripleo-ansible, os-net-config, diskimage-builder, and the Heat engine with
tripleo-heat-templates 14.3.0. `tools` installs them once, with locked hashes, into a virtual environment of their own;
nothing of them is imported here. `checks` runs the programs in `inside/`, which use that environment. Some faults no
tool reports: the programs in `inside/` look for those that need a tool's data, and `rack.tripleo.check` for the others.
"""
