"""The lab's cloud: a real OpenStack control plane, configured from the files that the program ships.

Real are keystone, glance, placement, nova, neutron with ML2 and networking-mlnx's drivers, MariaDB and RabbitMQ, all of
OpenStack 2024.1 in a virtual environment of their own. Made are the hypervisor (`inside/rackdriver.py`, loaded by nova)
and what the L2, DHCP and L3 agents would report (`inside/labagent.py`, loaded by neutron).

    service         `CloudService`: install, start, stop
    overcloud       what the hosts' emulated `openstack overcloud deploy` and `podman restart` call
    client          what the hosts ask the cloud, read-only
    heat            merges environment files as TripleO does
    translation     from TripleO's parameters to what nova and neutron are told
    configuration   every configuration file, as text
    processes       every process, and when it counts as healthy
    installation    virtual environment and databases; keystone's users, services and endpoints

The lab speaks OpenStack 2024.1 where the rack runs Wallaby: where the two differ and it matters to the program, the
configuration restores Wallaby's behaviour and says so.
"""
