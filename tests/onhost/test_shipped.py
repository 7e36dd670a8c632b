"""Programs that are shipped to the undercloud: what its Python must understand and has."""

import ast
from importlib.resources import files

import pytest

LATER = {"capture_output", "text", "missing_ok", "removeprefix", "removesuffix", "SSLCertVerificationError"}
"""Names that came after 3.6."""
ALLOWED = {
    "templates.py": {"json", "pathlib", "re", "subprocess", "sys", "typing"},
    "job.py": {
        "contextlib", "fcntl", "hashlib", "json", "os", "pathlib", "re", "select", "shutil", "signal", "subprocess",
        "sys", "tempfile", "time", "typing",
    },
    "nodes.py": {
        "concurrent.futures", "http.client", "json", "pathlib", "re", "ssl", "subprocess", "sys", "tempfile", "time",
        "typing", "urllib.parse",
    },
}  # fmt: skip


def found(name: str) -> str:
    return files("onhost.undercloud").joinpath(name).read_text()


@pytest.mark.parametrize("name", ALLOWED)
def test_the_program_is_python_3_6_and_needs_no_package(name: str) -> None:
    """CentOS Stream 8's python3; `dataclasses` and annotations of the future came later."""
    tree = ast.parse(found(name), feature_version=(3, 6))
    froms = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert froms | names == ALLOWED[name]
    used = {n.arg for n in ast.walk(tree) if isinstance(n, ast.keyword)}
    used |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert not used & LATER
