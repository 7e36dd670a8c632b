"""The documents before the real tools of Wallaby: what they take, and that nothing broken passes."""
