"""The dev stack on the real engine and the embedded lab, with a deployment of its own."""

from tests.engine.conftest import deployed, lab, pulumi

__all__ = ["deployed", "lab", "pulumi"]
