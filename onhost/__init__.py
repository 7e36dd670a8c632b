"""Programs that are shipped to the rack's hosts: standard library of Python 3.6 only."""
