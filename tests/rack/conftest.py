"""Examples enough to find a fault, few enough for two cores."""

from hypothesis import Phase, settings

settings.register_profile("rack", max_examples=30, deadline=None, phases=set(Phase) - {Phase.explain})
settings.load_profile("rack")
