"""Files on the machine that runs pulumi, which the configuration names."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from rack.site.schema import Part, dotted

PUBLIC = ("ufm.caFile", "undercloud.registry.caFile", "ufm.host.install.docker.keyFile")
"""Keys of files whose content is shown in previews and written to the hosts."""


def missing(site: BaseModel, folder: Path) -> Iterator[str]:
    """Yield a problem per file that does not exist or cannot be read. Relative paths start at `folder`."""
    for key, path in paths(site):
        file = folder / path.expanduser()
        if not file.is_file():
            yield f"{key}: found {str(path)!r}, which is no file on this machine; write the path of the file"
        elif not os.access(file, os.R_OK):
            yield f"{key}: found {str(path)!r}, which cannot be read; run: chmod u+r {path}"
        elif key in PUBLIC and b"PRIVATE KEY-----" in file.read_bytes():
            yield f"{key}: found {str(path)!r}, which contains a private key; write a file without one"


def paths(site: BaseModel) -> Iterator[tuple[str, Path]]:
    """Yield key and path of every file of the operator's machine that the configuration names."""
    yield from ((dotted(loc), path) for loc, path in _paths(site, ()))


def _paths(value: object, loc: tuple[Part, ...]) -> Iterator[tuple[tuple[Part, ...], Path]]:
    if isinstance(value, Path):
        yield loc, value
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            yield from _paths(getattr(value, name), (*loc, field.alias or name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _paths(item, (*loc, index))
