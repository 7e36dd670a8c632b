"""`python -m ci.comment FILE`: write a review into the pull or merge request that CI runs for, or update it there.

The first line of the file is a mark in an HTML comment. A comment with the same mark is updated, so that a request has
one review per stack. Read from the environment, as the two systems set it:

    GitHub   GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, and PULL_REQUEST, its number
    GitLab   CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID, and RACK_GITLAB_TOKEN, a project access token with the
             scope `api`: the job's own token cannot write comments
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

SECONDS = 30
PAGE = 100


class CommentError(Exception):
    """The comment cannot be written. The text says why and what to set."""


@dataclass(frozen=True)
class Request:
    """The comments of one pull or merge request."""

    comments: str
    """URL of its list of comments."""
    one: str
    """URL of a comment, without its ID."""
    update: str
    """HTTP method that changes a comment."""
    headers: Mapping[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Request":
        """Return the request that CI runs for.

        Raises:
            CommentError: a variable is missing.
        """
        if "GITHUB_REPOSITORY" in environment:
            url, repository, token, number = _set(
                environment, "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN", "PULL_REQUEST"
            )
            issues = f"{url}/repos/{repository}/issues"
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
            return cls(f"{issues}/{number}/comments", f"{issues}/comments", "PATCH", headers)
        url, project, number, token = _set(
            environment, "CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID", "RACK_GITLAB_TOKEN"
        )
        notes = f"{url}/projects/{project}/merge_requests/{number}/notes"
        return cls(notes, notes, "PUT", {"PRIVATE-TOKEN": token})

    def write(self, text: str) -> str:
        """Update the comment that begins with the same line, or add one; return what was done."""
        mark = text.partition("\n")[0]
        with requests.Session() as session:
            session.headers.update(self.headers)
            for comment in self._all(session):
                if (comment.get("body") or "").partition("\n")[0].strip() == mark:
                    self._send(session, self.update, f"{self.one}/{comment['id']}", {"body": text})
                    return "updated"
            self._send(session, "POST", self.comments, {"body": text})
            return "added"

    def _all(self, session: requests.Session) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._send(session, "GET", f"{self.comments}?per_page={PAGE}&page={page}").json()
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _send(
        self, session: requests.Session, method: str, url: str, body: Mapping[str, str] | None = None
    ) -> requests.Response:
        try:
            answer = session.request(method, url, json=body, timeout=SECONDS)
        except requests.RequestException as error:
            raise CommentError(f"{method} {url}: {type(error).__name__}; is the API reachable from here?") from None
        if not answer.ok:
            raise CommentError(
                f"{method} {url}: {answer.status_code} {answer.text[:200]}; may the token write comments?"
            )
        return answer


def _set(environment: Mapping[str, str], *names: str) -> list[str]:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise CommentError(f"not set: {', '.join(missing)}; set them in the workflow")
    return [environment[name] for name in names]


def main(arguments: list[str]) -> int:
    """Write the comment and return 0, or print why it cannot be written and return 1."""
    try:
        done = Request.of(os.environ).write(Path(arguments[0]).read_text())
    except CommentError as error:
        print(f"ci.comment: {error}", file=sys.stderr)
        return 1
    print(f"ci.comment: {done}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
