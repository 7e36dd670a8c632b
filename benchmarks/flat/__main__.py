"""Empty components, as many as RESOURCES says: the minimal cost of a no-op `up`."""

import os

import pulumi

for number in range(int(os.environ["RESOURCES"])):
    pulumi.ComponentResource("flat:index:Nothing", f"nothing-{number}")
