"""Rendered documents and the real Wallaby tools: what the tools accept, and that they report each known fault."""
