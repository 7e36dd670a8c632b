"""Names and time zone of the overcloud (O4, O5)."""

from rack.site.model import Model
from rack.site.names import Hostname, Label, Timezone


class Cloud(Model):
    """Names and time of the overcloud (O4, O5)."""

    name: Label = "overcloud"
    """TripleO's stack; hosts are called after it: overcloud-controller-0."""
    domain: Hostname = "localdomain"
    """Of the hosts: overcloud-controller-0.localdomain."""
    timezone: Timezone = "UTC"
    """Of the overcloud nodes."""
