"""What tests and benchmarks share: runs of the real engine on the lab, and readings of the whole rack.

runs        a project of its own, whose runs are followed, killed or interrupted at events of the engine
snapshot    reads the rack and compares two readings, object by object
openstack   the part of a reading that is in the cloud
names       names in place of random values
"""
