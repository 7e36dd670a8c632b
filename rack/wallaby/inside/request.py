"""What a check is asked: paths of the bundle and of the rendered templates, and loaders that read them fast."""

from difflib import get_close_matches
from pathlib import Path

import yaml


class Request(dict):
    """The request's JSON with its paths."""

    @property
    def bundle(self):
        return Path(self["bundle"])

    @property
    def rendered(self):
        return Path(self["rendered"])

    @property
    def registry(self):
        """TripleO's own environment file, before all others."""
        return self.rendered / "overcloud-resource-registry-puppet.yaml"

    def shown(self, name):
        """A deployment file as findings name it."""
        return f"{self['deployed']}/{name}"

    def file(self, name):
        return self.bundle / self.shown(name)

    def load(self, name):
        return load(self.file(name))


def load(path):
    """A YAML file; an empty one is an empty mapping."""
    return yaml.load(Path(path).read_text(), Loader=yaml.CSafeLoader) or {}


def instead(name, known):
    """What to write in place of an unknown name."""
    close = get_close_matches(name, known, n=1)
    return f"write {close[0]}" if close else "remove it"
