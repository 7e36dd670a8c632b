"""The rack as pure data: no engine, no network."""
