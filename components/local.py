"""Files on the machine that runs pulumi, named by the configuration."""

from pathlib import Path

import pulumi

from rack.site import UfmSpec


def read(key: str, path: Path) -> str:
    """Return the text of the file that a key of `rack:site` names.

    Raises:
        RunError: the file can't be read; the text names key and file.
    """
    try:
        return path.expanduser().read_text()
    except OSError as error:
        raise pulumi.RunError(f"{key}: can't read {path}: {error.strerror}") from None


def ufm_ca(ufm: UfmSpec) -> str | None:
    """Return the certificate authority of UFM's certificate, or None if the system's authorities are trusted.

    Raises:
        RunError: the file can't be read.
    """
    return read("ufm.caFile", ufm.ca_file) if ufm.ca_file else None
