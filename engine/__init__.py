"""The Pulumi engine: a released one where there is one, else built here from Go modules. See build.py."""
