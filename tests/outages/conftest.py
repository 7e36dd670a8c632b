"""The dev stack on the real engine and the embedded lab, with a deployment of its own."""

from tests.engine.conftest import before, deployed, lab, pulumi

__all__ = ["before", "deployed", "lab", "pulumi"]
