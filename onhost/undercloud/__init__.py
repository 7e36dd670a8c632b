"""Programs that run on the undercloud, and the orders that they read.

Programs are `nodes` (introspect, gate, leave), `wave`, `job` and `templates`. The other modules are their parts.
"""
