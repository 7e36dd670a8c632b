"""The review in a pull or merge request: added once, then updated in place."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ci.comment import PAGE, main

pytestmark = pytest.mark.fast

MARK = "<!-- rack diff: mine -->"


class Api(ThreadingHTTPServer):
    """The comments of one request, as GitHub and GitLab list, add and change them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers one call."""

    server: Api

    def _answer(self) -> None:
        api, path = self.server, self.path.partition("?")[0]
        api.seen.append((self.command, path))
        api.headers.append(dict(self.headers))
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        if api.refuses:
            return self._send(403, {"message": "Resource not accessible by integration"})
        if self.command == "GET":
            page = int(self.path.rpartition("page=")[2])
            return self._send(200, api.comments[(page - 1) * PAGE : page * PAGE])
        if self.command == "POST":
            api.comments.append({"id": len(api.comments) + 1, **body})
            return self._send(201, api.comments[-1])
        found = next(comment for comment in api.comments if path.endswith(f"/{comment['id']}"))
        found.update(body)
        return self._send(200, found)

    do_GET = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - names of the base class

    def _send(self, status: int, value: object) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["github", "gitlab"])
def ci(request: pytest.FixtureRequest, api: Api, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the variables of one system."""
    for name in ("GITHUB_REPOSITORY", "CI_API_V4_URL"):
        monkeypatch.delenv(name, raising=False)
    github = {
        "GITHUB_API_URL": api.url, "GITHUB_REPOSITORY": "site/rack", "GITHUB_TOKEN": "t0ken", "PULL_REQUEST": "7"
    }  # fmt: skip
    gitlab = {
        "CI_API_V4_URL": api.url, "CI_PROJECT_ID": "12", "CI_MERGE_REQUEST_IID": "7", "RACK_GITLAB_TOKEN": "t0ken"
    }  # fmt: skip
    for name, value in (github if request.param == "github" else gitlab).items():
        monkeypatch.setenv(name, value)
    return str(request.param)


def review(folder: Path, text: str) -> str:
    file = folder / "report.md"
    file.write_text(f"{MARK}\n{text}\n")
    return str(file)


def test_the_first_review_is_added_and_the_next_updates_it(ci: str, api: Api, tmp_path: Path) -> None:
    api.comments = [{"id": 1, "body": "looks good"}, {"id": 2, "body": "<!-- rack diff: other -->\nx"}]
    assert main([review(tmp_path, "first")]) == 0
    assert main([review(tmp_path, "second")]) == 0
    assert [comment["body"].splitlines()[-1] for comment in api.comments] == ["looks good", "x", "second"]
    where = "/repos/site/rack/issues/comments/3" if ci == "github" else "/projects/12/merge_requests/7/notes/3"
    assert api.seen[-1] == ("PATCH" if ci == "github" else "PUT", where)
    assert all("t0ken" in (h.get("Authorization", "") + h.get("PRIVATE-TOKEN", "")) for h in api.headers)


def test_the_review_is_found_behind_many_comments(ci: str, api: Api, tmp_path: Path) -> None:
    api.comments = [{"id": number, "body": "noise"} for number in range(1, PAGE + 21)]
    api.comments[-1]["body"] = f"{MARK}\r\nold"
    assert main([review(tmp_path, "new")]) == 0
    assert len(api.comments) == PAGE + 20
    assert api.comments[-1]["body"].endswith("new\n")


def test_a_refusal_is_reported_without_the_token(
    ci: str, api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.refuses = True
    assert main([review(tmp_path, "x")]) == 1
    error = capsys.readouterr().err
    assert "403" in error
    assert "may the token write comments?" in error
    assert "t0ken" not in error


def test_a_missing_variable_is_named(
    ci: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "GITHUB_TOKEN" if ci == "github" else "RACK_GITLAB_TOKEN"
    monkeypatch.delenv(token)
    assert main([review(tmp_path, "x")]) == 1
    assert f"not set: {token}" in capsys.readouterr().err


def test_an_unreachable_api_is_one_line(
    ci: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_API_URL" if ci == "github" else "CI_API_V4_URL", "http://127.0.0.1:1")
    assert main([review(tmp_path, "x")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is the API reachable from here?" in error
