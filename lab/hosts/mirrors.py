"""yum repositories of a site, which dnf reads over HTTP or from the host's disk (C1).

Source: createrepo_c's metadata: `repodata/repomd.xml` names the list of packages, `primary.xml`.
"""

import configparser
import gzip
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from lab.hosts.root import Root

REPO = "{http://linux.duke.edu/metadata/repo}"
COMMON = "{http://linux.duke.edu/metadata/common}"
SECONDS = 10


class MirrorError(Exception):
    """A repository cannot be read; the text is dnf's reason."""


def configured(root: Root) -> Mapping[str, str]:
    """Return ID → base URL of the host's enabled repositories that have a base URL."""
    found: dict[str, str] = {}
    for file in sorted(root.resolve("/etc/yum.repos.d").glob("*.repo")):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(file.read_text())
        for section in parser.sections():
            if parser.getboolean(section, "enabled", fallback=True) and (
                url := parser.get(section, "baseurl", fallback="")
            ):
                found[section] = url
    return found


def packages(root: Root, url: str) -> frozenset[str]:
    """Return the names of the packages in the repository at a URL.

    Raises:
        MirrorError: a file of its metadata cannot be read.
    """
    base = url.rstrip("/")
    index = ET.fromstring(read(root, f"{base}/repodata/repomd.xml"))  # noqa: S314 - the site's own mirror
    places = [data.find(f"{REPO}location") for data in index.iter(f"{REPO}data") if data.get("type") == "primary"]
    if not places or places[0] is None:
        raise MirrorError("Failed to download metadata: repomd.xml names no primary")
    primary = gzip.decompress(read(root, f"{base}/{places[0].get('href')}"))
    return frozenset(str(name.text) for name in ET.fromstring(primary).iter(f"{COMMON}name"))  # noqa: S314


def read(root: Root, url: str) -> bytes:
    """Return the content of a URL.

    Raises:
        MirrorError: it cannot be read.
    """
    try:
        if url.startswith("file://"):
            return root.resolve(url.removeprefix("file://")).read_bytes()
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 - HTTP by the configuration's type
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise MirrorError(f"Status code: {error.code} for {url}") from None
    except OSError as error:
        raise MirrorError(f"Curl error (7): Couldn't connect to server for {url} [{error}]") from None


def create(folder: Path, names: tuple[str, ...]) -> None:
    """Write the metadata of a repository with these packages, as createrepo_c does."""
    (folder / "repodata").mkdir(parents=True)
    listed = "".join(f'<package type="rpm"><name>{name}</name></package>' for name in names)
    primary = f'<metadata xmlns="{COMMON[1:-1]}" packages="{len(names)}">{listed}</metadata>'
    (folder / "repodata/primary.xml.gz").write_bytes(gzip.compress(primary.encode()))
    (folder / "repodata/repomd.xml").write_text(
        f'<repomd xmlns="{REPO[1:-1]}"><data type="primary"><location href="repodata/primary.xml.gz"/></data></repomd>'
    )
