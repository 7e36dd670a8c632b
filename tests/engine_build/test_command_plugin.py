"""The command plugin's tests in Go, with real OpenSSH servers. To run them alone: go test ./... in engine/command."""

from __future__ import annotations

import os
import subprocess

import pytest

from engine import build

pytestmark = pytest.mark.engine


def test_go_tests_pass() -> None:
    go = build.find_go() or build.install_go()
    done = subprocess.run(
        [go, "test", "-count=1", "./..."],
        cwd=build.SOURCES / "command",
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "ok  \track/engine/command/remote" in done.stdout
