"""Programs and scripts that are shipped to the rack's hosts.

Everything here runs on the Python 3.6 of CentOS Stream 8 and imports its standard library only. `shipping` runs on
the operator's machine, under the same rules: it turns the modules of a program into one file.
"""
