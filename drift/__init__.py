"""`rack drift`: what on the hosts, at UFM and in OpenStack is not as the last `up` left it.

What is expected comes from the stack's state: the steps that `up` has run, with the files and orders that they have
sent. There is no second list. Each host is entered once and nothing is changed there.

    state     the state's steps and the secrets in it
    expected  what these steps promise, by host
    host      one SSH connection per host, which runs `onhost/drift/look.py`
    finding   one difference
    compare   the differences of a host: files, units, containers of UFM
    nodes     the differences of the overcloud's nodes: firmware, ACS, containers
    cloud     the differences in what the undercloud sees: nova, ironic, the last deployment
    refresh   the differences at UFM and in OpenStack, which `pulumi refresh --preview-only` finds
    report    the report, without any secret: terminal, Markdown, JSON
    repair    counts up the steps that the next `up` is to run again (`access/repair.py`)
    command   the command
"""
