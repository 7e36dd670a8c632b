"""The site's own yum repositories on a host, in place of all others (C1): for the undercloud and overcloud nodes.

The files of other repositories are renamed, so that dnf ignores them; destroy restores their names.
"""

FOLDER = "/etc/yum.repos.d"
FILE = f"{FOLDER}/rack.repo"
ASIDE = ".rack-off"
"""Suffix of a file that dnf must ignore: it reads *.repo."""

INSTALL = (
    f"install -m 0644 /dev/stdin {FILE}",
    f"for repo in {FOLDER}/*.repo; do",
    f'  [ "$repo" = {FILE} ] || mv "$repo" "$repo{ASIDE}"',
    "done",
)
"""Shell lines for root, with the file on standard input."""

REMOVE = (
    f"rm -f {FILE}",
    f"for repo in {FOLDER}/*{ASIDE}; do",
    f'  [ ! -e "$repo" ] || mv "$repo" "${{repo%{ASIDE}}}"',
    "done",
)
