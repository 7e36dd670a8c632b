"""Examples enough to find a fault, few enough for two cores."""

from hypothesis import settings

settings.register_profile("rack", max_examples=30, deadline=None)
settings.load_profile("rack")
