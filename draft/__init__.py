"""`rack new`: asks what a stack file needs, reads nodes and port GUIDs from elsewhere, and writes the file."""
