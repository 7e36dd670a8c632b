"""Files on the machine that runs pulumi, named by the configuration."""

from pathlib import Path

import pulumi


def read(key: str, path: Path) -> str:
    """Return the text of the file that a key of `rack:site` names.

    Raises:
        RunError: the file can't be read; the text names key and file.
    """
    try:
        return path.expanduser().read_text()
    except OSError as error:
        raise pulumi.RunError(f"{key}: can't read {path}: {error.strerror}") from None
