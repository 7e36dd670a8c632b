"""The site's own yum repositories on a host, in place of all others (C1): for the undercloud and the overcloud's nodes.

The others are not removed but renamed, so that dnf passes over them; destroy names them as they were.
"""

FOLDER = "/etc/yum.repos.d"
FILE = f"{FOLDER}/rack.repo"
ASIDE = ".rack-off"
"""Behind the name of a file that dnf shall not read: it reads *.repo."""

INSTALL = (
    f"install -m 0644 /dev/stdin {FILE}",
    f"for repo in {FOLDER}/*.repo; do",
    f'  [ "$repo" = {FILE} ] || mv "$repo" "$repo{ASIDE}"',
    "done",
)
"""Shell lines for root, the file on standard input."""

REMOVE = (
    f"rm -f {FILE}",
    f"for repo in {FOLDER}/*{ASIDE}; do",
    f'  [ ! -e "$repo" ] || mv "$repo" "${{repo%{ASIDE}}}"',
    "done",
)
