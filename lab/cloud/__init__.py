"""The lab's cloud: an OpenStack control plane, configured from the files that the program ships.

Real: keystone, glance, placement, nova, neutron with ML2 and networking-mlnx's drivers, MariaDB and RabbitMQ; OpenStack
2024.1 in a virtual environment of its own. Imitated: the hypervisor (`inside/rackdriver.py`, loaded by nova) and the
L2, DHCP and L3 agents (`inside/labagent.py`, loaded by neutron).

    service         runs the cloud under `make lab`
    deployment      deploys, starts and deletes the overcloud
    operations      restarts, stops and unprovisions parts of a deployed overcloud
    client          queries the APIs
    heat            merges environment files as TripleO does
    expansion       expands the roles of node-info to hosts as TripleO does
    translation     translates TripleO's parameters to settings of nova and neutron
    agents          writes neutron's table of agents
    configuration   every configuration file, as text
    processes       every process, and when it is healthy
    installation    virtual environment, databases, keystone's users and endpoints

The lab runs OpenStack 2024.1, the rack runs Wallaby. Where a difference matters to the program, `configuration`
restores Wallaby's behaviour.
"""
