"""Modules for the cloud's virtual environment. `installation` links them into it; the lab never imports them."""
