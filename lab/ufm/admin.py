"""The lab's admin API of UFM: plain HTTP on loopback, for what happens on UFM's host outside of the REST API.

POST   /install   as the installer container: fresh state, user admin with the default password, service up;
                  {"release"}: another release than the default
POST   /upgrade   {"release"}: another release; the state stays
POST   /remove    service down (connections are refused), state deleted, OpenSM back to the default partition
POST   /stop      as `docker stop ufm`: service down, state kept; UFM stays down until it is started
POST   /start     as `docker start ufm`
POST   /restart   as `ufmd restart`: service down and up; {"starting": s}: 503 for s seconds
GET    /state     installed, running, release, users, PKeys with counts, whether OpenSM has them
GET    /requests  the log of the REST requests: method, path, status, user agent; no credentials
DELETE /requests
PUT    /certificate  {"pem"}: certificate and key of the web server from its next start on; empty: UFM's own
PUT    /names     host name → node
PUT    /inventory node → {"description", "system", "number"}: how UFM shows it, see `resources.Appearance`
PUT    /users/N   add a user: {"role", "password"}
PUT    /quirks    any field of `simulator.Quirks`
PUT    /faults    a list of `faults.Rule`, replaces the present rules
GET    /faults    the rules, and how many requests each has seen and hit
DELETE /faults
"""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request

from lab.fabric.client import FabricError
from lab.ufm.app import refused
from lab.ufm.errors import BadRequestError, RefusedError
from lab.ufm.faults import Rule
from lab.ufm.installation import Installation
from lab.ufm.simulator import UfmSimulator


def admin_app(installation: Installation) -> Flask:
    """Return the admin API of an installation."""
    app = Flask("ufm-admin")
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(FabricError, lambda error: Response(str(error), 503, mimetype="text/plain"))
    _add_life_cycle(app, installation)
    _add_observation(app, installation)
    _add_behaviour(app, installation)
    _add_changes(app, installation)
    return app


def _add_life_cycle(app: Flask, installation: Installation) -> None:
    operations: dict[str, Callable[[], object]] = {
        "install": lambda: installation.install(_fields().get("release")),
        "upgrade": lambda: installation.upgrade(_fields().get("release")),
        "remove": installation.remove,
        "stop": installation.stop,
        "start": installation.start,
        "restart": lambda: installation.restart(_seconds(_fields().get("starting", 0))),
    }
    for name, operation in operations.items():
        app.add_url_rule(f"/{name}", name, _then_state(installation, operation), methods=["POST"])


def _add_observation(app: Flask, installation: Installation) -> None:
    log = installation.requests
    app.add_url_rule("/state", "state", lambda: jsonify(installation.state()))
    app.add_url_rule("/requests", "requests", lambda: jsonify(list(log.kept)))
    set_certificate = _then_state(installation, lambda: installation.set_certificate(str(_fields().get("pem", ""))))
    app.add_url_rule("/certificate", "certificate", set_certificate, methods=["PUT"])
    app.add_url_rule("/requests", "clear_requests", _then_state(installation, log.kept.clear), methods=["DELETE"])


def _add_behaviour(app: Flask, installation: Installation) -> None:
    def name_hosts() -> None:
        installation.name_hosts(_fields())

    def set_faults() -> Response:
        rules = request.get_json(force=True, silent=True)
        if not isinstance(rules, list):
            raise BadRequestError('the body: write a JSON list of rules, as [{"status": 503, "count": 1}]')
        installation.faults.set([Rule.parse(rule) for rule in rules])
        return jsonify(installation.faults.listing())

    clear_faults = _then_state(installation, installation.faults.clear)
    app.add_url_rule("/names", view_func=_then_state(installation, name_hosts), endpoint="names", methods=["PUT"])
    app.add_url_rule("/faults", view_func=set_faults, methods=["PUT"])
    app.add_url_rule("/faults", view_func=lambda: jsonify(installation.faults.listing()), endpoint="faults")
    app.add_url_rule("/faults", view_func=clear_faults, endpoint="clear_faults", methods=["DELETE"])


def _add_changes(app: Flask, installation: Installation) -> None:
    """Add the calls that change the running UFM."""

    def add_user(name: str) -> Response:
        user = _fields()
        return change(lambda ufm: ufm.accounts.add_user(name, user.get("role", ""), user.get("password", "")))

    def set_quirks() -> Response:
        values = _fields()
        return change(lambda ufm: ufm.set_quirks(values))

    def show_hosts() -> Response:
        shown = _fields()
        return change(lambda ufm: ufm.show_hosts(shown))

    def change(operation: Callable[[UfmSimulator], None]) -> Response:
        ufm = installation.running()
        if ufm is None:
            return Response("UFM is not installed, or it is stopped", 409, mimetype="text/plain")
        operation(ufm)
        return jsonify(installation.state())

    app.add_url_rule("/users/<name>", view_func=add_user, methods=["PUT"])
    app.add_url_rule("/quirks", view_func=set_quirks, methods=["PUT"])
    app.add_url_rule("/inventory", view_func=show_hosts, methods=["PUT"])


def _then_state(installation: Installation, operation: Callable[[], object]) -> Callable[[], Response]:
    """Return a view that runs the operation and answers with the new state."""

    def view() -> Response:
        operation()
        return jsonify(installation.state())

    return view


def _fields() -> dict[str, Any]:
    found = request.get_json(force=True, silent=True) if request.get_data() else {}
    if not isinstance(found, dict):
        raise BadRequestError("the body: write a JSON object, or none")
    return found


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadRequestError(f"starting: {value!r}: write a number of seconds, as 5")
    return value
