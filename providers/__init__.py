"""Pulumi providers of this project, each a self-contained package."""
