"""Failures of OpenStack requests: which ones may be over soon.

The texts are those of gophercloud and terraform-provider-openstack, whose errors the engine passes on as text only.
"""

import re

_NO_ANSWER = re.compile(r"OpenStack connection error|connection refused|connection reset|i/o timeout|unexpected EOF")
"""The provider's words for a request without an answer, whatever the reason."""
_LASTING = re.compile(r"x509:|certificate|no such host|unsupported protocol|HTTP response to HTTPS client")
"""Reasons for which a request never gets an answer."""
_STATUS = re.compile(r"but got (?:500|502|503|504) instead")
"""A service failed, or cannot reach another one, or the load balancer finds no service behind it."""


def passing(error: str) -> bool:
    """Return whether the failure may be an outage: no answer, or one that a service gives while others are down."""
    if _LASTING.search(error):
        return False
    return bool(_NO_ANSWER.search(error) or _STATUS.search(error))
