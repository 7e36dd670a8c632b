"""The program of `rack drift`: it looks at a host and changes nothing. It is not stored on the host."""
