"""The WSGI application that serves UFM's REST API."""

import json
import time
from collections.abc import Mapping

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestURITooLarge

from lab.fabric.client import FabricClient, FabricError
from lab.ufm.errors import RefusedError
from lab.ufm.faults import Faults
from lab.ufm.middleware import UNAVAILABLE, WEB, FaultInjector, Slashes
from lab.ufm.request_log import RequestLog
from lab.ufm.responses import application
from lab.ufm.simulator import UfmSimulator
from lab.ufm.urls import PREFIXES, blueprint

HEADERS = {
    "Rest-Version": "1.6.0",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Content-Security-Policy": "script-src 'self'",
}
"""The headers of a real UFM 6.14.5."""

MAX_LINE = 8190
"""Characters in the longest request line that Apache accepts: one DELETE can name about 450 GUIDs."""


def create_app(
    ufm: UfmSimulator,
    fabric: FabricClient,
    addresses: Mapping[str, str],
    requests: RequestLog,
    faults: Faults | None = None,
) -> Flask:
    """Return the application.

    Args:
        ufm: the state that the API shows and changes.
        fabric: the fabric that the API shows.
        addresses: node name → IP address in /resources/systems.
        requests: receives every request.
        faults: the faults to inject; the caller may change them at any time.
    """
    app = Flask("ufm")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(UFM=ufm, FABRIC=fabric, ADDRESSES=addresses)
    api = blueprint()
    for prefix in PREFIXES:
        app.register_blueprint(api, url_prefix=prefix, name=prefix.strip("/"))
    app.add_url_rule("/dologin", view_func=application.dologin, methods=["POST"])
    app.add_url_rule(WEB, view_func=application.login_page)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(FabricError, _unavailable)
    app.register_error_handler(HTTPException, _http_error)

    @app.before_request
    def start() -> None:
        g.started = time.monotonic()
        if len(request.full_path) > MAX_LINE:
            raise RequestURITooLarge

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.update(HEADERS)
        if response.is_json:
            _name_site(response, app.config["UFM"].quirks.site_name)
            # infra-controller takes only the body `{}` for an absent PKey, without a newline.
            response.set_data(response.get_data().rstrip())
        requests.note(request, response.status_code, time.monotonic() - g.started)
        return response

    injector = FaultInjector(app.wsgi_app, faults or Faults(), requests.note, HEADERS)
    app.wsgi_app = Slashes(injector)  # type: ignore[method-assign]
    return app


def _name_site(response: Response, site: str) -> None:
    """Add the site's name to the answer, and to each object of a list."""
    document = response.get_json()
    if site and isinstance(document, dict | list):
        named = [document] if isinstance(document, dict) else [entry for entry in document if isinstance(entry, dict)]
        for entry in named:
            entry["site_name"] = site
        response.set_data(json.dumps(document))


def refused(error: RefusedError) -> Response:
    """Return the answer for a refused request."""
    challenge = {"WWW-Authenticate": 'Basic realm="UFM"'} if error.status == 401 else {}
    return Response(str(error), error.status, challenge, mimetype="text/plain")


def _unavailable(error: FabricError) -> Response:
    return Response(f"{UNAVAILABLE}: {error}", 503, mimetype="text/plain")


def _http_error(error: HTTPException) -> Response:
    return Response(error.name, error.code, mimetype="text/plain")
