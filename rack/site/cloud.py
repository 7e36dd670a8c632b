"""Configuration of the overcloud's names and time zone (O4, O5)."""

from rack.site.model import Model
from rack.site.names import Domain, Label, Timezone


class Cloud(Model):
    """Names and time zone of the overcloud (O4, O5)."""

    name: Label = "overcloud"
    """Name of TripleO's stack, and prefix of the host names: overcloud-controller-0."""
    domain: Domain = "localdomain"
    """Domain of the hosts: overcloud-controller-0.localdomain."""
    timezone: Timezone = "UTC"
    """Time zone of the overcloud nodes."""
