"""What runs inside the cloud's own virtual environment: linked into it by `installation`, never imported from here."""
