"""The package of MLNX_OFED as operators download it: a .tgz with the installer and three files that describe it.

Source: the installer of a real package (`mlnxofedinstall` for Debian, version 3), which reads `mlnx`, `distro` and
`arch`.
"""

import io
import tarfile

INSTALLER = """\
#!/bin/sh
exec /usr/local/bin/mlnxofedinstall "$(dirname "$(readlink -f "$0")")" "$@"
"""
"""Stands for the real installer, which is a Perl script: calls the emulated one with the package's folder."""


def package(release: str, distro: str = "ubuntu18.04", arch: str = "x86_64") -> tuple[str, bytes]:
    """Return the name and content of the package of a release such as 5.8-4.1.5.0."""
    name = f"MLNX_OFED_LINUX-{release}-{distro}-{arch}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for file, text, mode in (
            ("mlnxofedinstall", INSTALLER, 0o755),
            ("mlnx", f"{release}\n", 0o644),
            ("distro", f"{distro}\n", 0o644),
            ("arch", f"{arch}\n", 0o644),
        ):
            member = tarfile.TarInfo(f"{name}/{file}")
            member.size, member.mode = len(text), mode
            tar.addfile(member, io.BytesIO(text.encode()))
    return f"{name}.tgz", content.getvalue()
