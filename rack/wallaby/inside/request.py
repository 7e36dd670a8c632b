"""The request of a check: paths of the documents and of the rendered templates, and a fast YAML loader."""

from difflib import get_close_matches
from pathlib import Path

import yaml


class Request(dict):
    """The request as `rack.wallaby.checks` sends it, with its paths as properties."""

    @property
    def home(self):
        """The folder of the documents, laid out like the home directory of the user stack."""
        return Path(self["home"])

    @property
    def rendered(self):
        """The folder of the rendered templates."""
        return Path(self["rendered"])

    @property
    def registry(self):
        """TripleO's own environment file, which comes before all others."""
        return self.rendered / "overcloud-resource-registry-puppet.yaml"

    def path_in_home(self, name):
        """Return the path of a deployment file below the home directory, as findings name it."""
        return f"{self['deployment_folder']}/{name}"

    def file(self, name):
        """Return the local path of a deployment file."""
        return self.home / self.path_in_home(name)

    def load(self, name):
        """Return the content of a deployment file."""
        return load(self.file(name))


def load(path):
    """Return the content of a YAML file; an empty file is an empty mapping."""
    return yaml.load(Path(path).read_text(), Loader=yaml.CSafeLoader) or {}


def suggestion(name, known):
    """Return what to write instead of an unknown name."""
    close = get_close_matches(name, known, n=1)
    return f"write {close[0]}" if close else "remove it"
