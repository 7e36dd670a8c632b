"""Programs that run on the undercloud."""
