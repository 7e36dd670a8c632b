"""How the operator's machine reaches the hosts: SSH with pinned keys, steps, files, jobs, and local key files."""
