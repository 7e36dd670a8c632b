"""Programs and scripts that are shipped to the rack's hosts.

Everything here runs on the Python 3.6 of CentOS Stream 8 and imports its standard library only. `shipping` is the
exception in use, not in rules: it runs on the operator's machine and turns the modules of a program into one file.
"""
