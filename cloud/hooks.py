"""Which hooks the engine has."""

from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import monitor_supports_feature


def has_error_hooks() -> bool:
    """Return whether the engine calls hooks after a failure. Engines before 3.219 do not."""
    return monitor_supports_feature(resource_pb2.RESOURCE_MONITOR_FEATURE_ERROR_HOOKS)
