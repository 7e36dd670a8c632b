"""The floor of a no-op `up`: RESOURCES components without anything in them."""

import os

import pulumi

for number in range(int(os.environ["RESOURCES"])):
    pulumi.ComponentResource("flat:index:Nothing", f"nothing-{number}")
