"""Pictures of a stack as SVG: fabric, networks, rack elevation, components, bandwidth. Equal input gives equal text."""
