"""Invalid stack files, and what the loader says about them."""
