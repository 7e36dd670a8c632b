"""`rack status`: hosts, PKeys, computes with instances and free GPUs, checks, bandwidth and drift, at one glance.

overview  what is shown, from one look of `drift` at the rack and from the stack's state
command   writes it for a terminal or as JSON
"""
