"""Files as they are: mode, owner, digest, options of INI files. Only files without a secret are shown."""

import grp
import hashlib
import os
import pwd
import re
import stat
from pathlib import Path
from typing import Any, Dict, List, Optional

LIMIT = 256 * 1024
"""Bytes of the longest file whose content is shown."""


def file_facts(path: str, expected: str) -> Optional[Dict[str, Any]]:
    """Return mode, owner, group and digest of a file; None if it does not exist.

    Its text is added if `expected`, the SHA-256 of the content that it should have, is given and not its own.
    """
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    facts = {"mode": f"{stat.S_IMODE(found.st_mode):04o}", "owner": _user(found.st_uid), "group": _group(found.st_gid)}
    if not stat.S_ISREG(found.st_mode):
        return dict(facts, kind="link" if stat.S_ISLNK(found.st_mode) else "no file")
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    shown = expected and digest != expected and len(content) <= LIMIT
    text = {"text": content.decode(errors="replace")} if shown else {}
    return dict(facts, kind="file", sha256=digest, **text)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def ini_options(path: str, names: List[str]) -> Optional[Dict[str, Optional[str]]]:
    """Return the last value of each option SECTION/OPTION in an INI file; None for the whole if there is no file."""
    try:
        lines = Path(path).read_text(errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return None
    section, found = "", {}
    for line in lines:
        head = re.match(r"\[([^\]]+)\]", line)
        option = re.match(r"([\w.-]+)\s*[=:]\s*(.*)", line)
        if head:
            section = head.group(1)
        elif option:
            found[f"{section}/{option.group(1)}"] = option.group(2).strip()
    return {name: found.get(name) for name in names}
