"""UFM's resource tree over HTTP. One tree behind three prefixes, which differ in how the caller proves who it is:

/ufmRest    user and password in every request (Basic)
/ufmRestV2  a session cookie from POST /dologin
/ufmRestV3  an access token, raw behind the word "Basic"
"""

import base64
import binascii
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from werkzeug.exceptions import HTTPException, RequestURITooLarge
from werkzeug.wrappers import Request

from lab.fabric.client import FabricClient, FabricError
from lab.ufm.cloudx import identified
from lab.ufm.core import Ufm, User
from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError, RefusedError, UnauthorizedError
from lab.ufm.faults import FATE, HIT, LOGIN_PAGE, UNAVAILABLE, WEB, Faults, Faulty, Rule, Wsgi
from lab.ufm.inventory import Inventory, Record, selected
from lab.ufm.partitions import MANAGEMENT, MEMBERSHIPS, NAME, Member, Partition, Qos, Table, guid, pkey, spell

HEADERS = {
    "Rest-Version": "1.6.0",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "X-XSS-Protection": "1; mode=block",
    "Content-Security-Policy": "script-src 'self'",
}
"""As on a real 6.14.5."""

MAX_LINE = 8190
"""Characters of a request line that Apache takes: a DELETE can name some 450 GUIDs."""

PREFIXES = ("/ufmRest", "/ufmRestV2", "/ufmRestV3")
Answer = Response | tuple[Response, int]


@dataclass
class Requests:
    """What was asked, without a word of who proved it how."""

    kept: deque[dict[str, Any]]

    def note(self, asked: Request, status: int, seconds: float = 0) -> None:
        """`status`: what UFM answered, 0 where a fault left nothing to answer."""
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": asked.method,
            "path": asked.full_path.removesuffix("?"),
            "status": status,
            "user_agent": asked.headers.get("User-Agent", ""),
            "milliseconds": round(seconds * 1000, 1),
            **({"fault": asked.environ[HIT]} if HIT in asked.environ else {}),
        }
        self.kept.append(entry)
        print(f"{entry['method']} {entry['path']} {status} {entry['milliseconds']} ms", flush=True)


class Slashes:
    """WSGI middleware: Apache, in front of the real UFM, takes `//` for `/`; UFM does not mind one at the end."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub("/+", "/", environ["PATH_INFO"]).rstrip("/") or "/"
        return self._app(environ, start_response)


def create_app(
    ufm: Ufm, fabric: FabricClient, addresses: Mapping[str, str], requests: Requests, faults: Faults | None = None
) -> Flask:
    """`addresses`: node name → IP address, shown with systems. `faults`: to be steered while the app serves."""
    app = Flask("ufm")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config.update(UFM=ufm, FABRIC=fabric, ADDRESSES=addresses)
    for prefix in PREFIXES:
        app.register_blueprint(tree, url_prefix=prefix, name=prefix.strip("/"))
    app.add_url_rule("/dologin", view_func=dologin, methods=["POST"])
    app.add_url_rule(WEB, view_func=login_page)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(FabricError, unavailable)
    app.register_error_handler(HTTPException, http_error)

    @app.before_request
    def start() -> None:
        g.started = time.monotonic()
        if len(request.full_path) > MAX_LINE:
            raise RequestURITooLarge

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.update(HEADERS)
        requests.note(request, response.status_code, time.monotonic() - g.started)
        return response

    faulty = Faulty(app.wsgi_app, faults or Faults(), requests.note, HEADERS)
    app.wsgi_app = Slashes(faulty)  # type: ignore[method-assign]
    return app


def refused(error: RefusedError) -> Response:
    return Response(str(error), error.status, mimetype="text/plain")


def unavailable(error: FabricError) -> Response:
    return Response(f"{UNAVAILABLE}: {error}", 503, mimetype="text/plain")


def http_error(error: HTTPException) -> Response:
    return Response(error.name, error.code, mimetype="text/plain")


# --- who is it ------------------------------------------------------------------------------------------------------

tree = Blueprint("tree", __name__)


def ufm() -> Ufm:
    found: Ufm = current_app.config["UFM"]
    return found


@tree.before_request
def authenticate() -> None:
    """
    Raises:
        UnauthorizedError: nobody, or not with the right proof for this prefix.
        ForbiddenError: a user who may only look wants to change something.
    """
    ways = {"ufmRest": by_password, "ufmRestV2": by_session, "ufmRestV3": by_token}
    g.user = ways[request.path.split("/")[1]]()
    if g.user.role == "monitoring_only" and request.method != "GET":
        raise ForbiddenError("no permission")


def credentials() -> str:
    """What stands behind "Basic" in the Authorization header, as it is."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    return rest.strip() if scheme.lower() == "basic" else ""


def by_password() -> User:
    try:
        name, _, password = base64.b64decode(credentials(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthorizedError("bad credentials") from error
    return ufm().login(name, password)


def by_session() -> User:
    return ufm().user_of_session(request.cookies.get("session", ""))


def by_token() -> User:
    return ufm().user_of_token(credentials())


def dologin() -> Response:
    """The login form's target: a cookie, and on to the web pages."""
    user = ufm().login(request.form.get("httpd_username", ""), request.form.get("httpd_password", ""))
    response = Response(status=302, headers={"Location": WEB})
    response.set_cookie("session", ufm().open_session(user), httponly=True, secure=True, path="/")
    return response


def login_page() -> Response:
    """All there is of the web interface."""
    return Response(LOGIN_PAGE, mimetype="text/html")


# --- the application ------------------------------------------------------------------------------------------------


@tree.get("/app/ufm_version")
def version() -> Response:
    """The parts' versions came with 6.18."""
    parts = dict.fromkeys(("opensm", "sharp", "ibdiagnet", "telemetry", "mft", "ufm_webui"), "")
    since_6_18 = {**parts, "plugins": {}} if ufm().since(6, 18) else {}
    return jsonify(ufm_release_version=ufm().release, **since_6_18)


@tree.get("/app/smconf")
def smconf() -> Response:
    """OpenSM's defaults, which the fabric runs with."""
    return jsonify(subnet_prefix="0xfe80000000000000", m_key="0x0", sm_key="0x1", sa_key="0x1", m_key_per_port=False)


@tree.get("/app/tokens")
def tokens() -> Response:
    return jsonify(ufm().tokens_of(g.user))


@tree.post("/app/tokens")
def create_token() -> Response:
    return jsonify(ufm().create_token(g.user))


@tree.post("/app/tokens/revoke")
def revoke_token() -> Response:
    ufm().revoke(g.user, request.form.get("token", ""))
    return jsonify({})


@tree.put("/app/users/<name>")
def change_user(name: str) -> Response:
    if g.user.role != "system_admin" and g.user.name != name:
        raise ForbiddenError("no permission")
    ufm().set_password(name, str(body().get("password", "")))
    return jsonify(name=name)


# --- PKeys ----------------------------------------------------------------------------------------------------------


def body() -> dict[str, Any]:
    """
    Raises:
        BadRequestError: the request's body is no JSON object.
    """
    found = request.get_json(force=True, silent=True)
    if not isinstance(found, dict):
        raise BadRequestError("the body is no JSON object")
    return found


def flag(name: str) -> bool:
    """A boolean of the query. Python clients send "True"."""
    return request.args.get(name, "").lower() == "true"


def boolean(fields: Mapping[str, Any], name: str, default: bool) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadRequestError(f"{name}: {value!r} is no boolean")
    return value


def partition_name(fields: Mapping[str, Any]) -> str | None:
    """None where the body names none, and before 6.22, which does not know the field and reads over it."""
    name = fields.get("partition_name") if ufm().since(6, 22) else None
    if name is not None and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise BadRequestError(f"partition_name: {name!r}")
    return name


def guids(fields: Mapping[str, Any]) -> list[str]:
    values = fields.get("guids")
    if not isinstance(values, list):
        raise BadRequestError("guids: a list is needed")
    found = [guid(value) for value in values]
    if ufm().quirks.strict_guids:
        absent = sorted(set(found) - inventory().guids().keys())
        if absent:
            raise NotFoundError(f"InfiniBand port {absent[0]} does not exist")
    return found


def members(fields: Mapping[str, Any], one_for_all: str = "membership") -> dict[str, Member]:
    """The members a body names. `one_for_all`: the field that holds the membership of all of them."""
    found, each, common = guids(fields), fields.get("memberships") or [], fields.get(one_for_all)
    if each and common is not None:
        raise BadRequestError(f"{one_for_all} and memberships exclude each other")
    if each and len(each) != len(found):
        raise BadRequestError("memberships: as many as guids are needed")
    how = each or [common or "full"] * len(found)
    if unknown := [word for word in how if word not in MEMBERSHIPS]:
        raise BadRequestError(f"membership: {unknown[0]!r} is neither full nor limited")
    index0 = boolean(fields, "index0", False)
    return {member: Member(word, index0) for member, word in zip(found, how, strict=True)}


def shown(partition: Partition, *, guids_data: bool, qos_conf: bool) -> Record:
    record: Record = {}
    if guids_data:
        record["guids"] = [
            {"guid": member, "index0": how.index0, "membership": how.membership}
            for member, how in sorted(partition.members.items())
        ]
    record |= {"ip_over_ib": partition.ip_over_ib, "partition": partition.name}
    if qos_conf:
        qos = partition.qos
        record["qos_conf"] = {
            "mtu_limit": qos.mtu_limit,
            "service_level": qos.service_level,
            "rate_limit": qos.rate_limit,
        }
    return record


def management(*, guids_data: bool, qos_conf: bool) -> Record:
    """Its members are not listed, since everybody is one; index0 and membership came with 6.19."""
    record = shown(Partition("management"), guids_data=guids_data, qos_conf=qos_conf)
    return record | ({"index0": False, "membership": "full"} if guids_data and ufm().since(6, 19) else {})


@tree.get("/resources/pkeys")
def all_pkeys() -> Response:
    what = {"guids_data": flag("guids_data"), "qos_conf": flag("qos_conf")}
    if all(what.values()):
        raise BadRequestError("guids_data and qos_conf together: one PKey only")
    with ufm().lock:
        found = sorted(ufm().table.partitions.items())
        if not any(what.values()):
            return jsonify([spell(MANAGEMENT), *(spell(number) for number, _ in found)])
        records = {spell(number): shown(partition, **what) for number, partition in found}
    return jsonify({spell(MANAGEMENT): management(**what), **records})


@tree.get("/resources/pkeys/<key>")
def one_pkey(key: str) -> Answer:
    what = {"guids_data": flag("guids_data"), "qos_conf": flag("qos_conf")}
    try:
        with ufm().lock:
            return jsonify(shown(ufm().table.find(pkey(key)), **what))
    except ForbiddenError:
        return jsonify(management(**what))
    except NotFoundError:
        return jsonify({}), 404 if ufm().quirks.unknown_pkey_404 else 200


@tree.get("/resources/pkeys/last_updated")
def last_updated() -> Response:
    when = ufm().last_updated
    return jsonify(last_updated=when and f"{when:%a %b} {when.day:2} {when:%H:%M:%S UTC %Y}")


@tree.post("/resources/pkeys/add")
def create_pkey() -> Answer:
    fields = body()
    number, qos = pkey(fields.get("pkey")), Qos().changed(fields)
    boolean(fields, "index0", False)
    ip_over_ib, name = boolean(fields, "ip_over_ib", True), partition_name(fields)
    with ufm().changing() as table:
        table.create(number, ip_over_ib=ip_over_ib, name=name, qos=qos)
    return jsonify({}), ufm().quirks.add_status


@tree.post("/resources/pkeys")
def add_guids() -> Response:
    fields = body()
    found = members(fields)
    if ufm().quirks.post_ignores_memberships and fields.get("memberships"):
        found = {member: Member("full", how.index0) for member, how in found.items()}
    return _add(fields, found)


@tree.post("/actions/add_guids_to_pkey")
def legacy_add_guids() -> Response:
    fields = body()
    return _add(fields, members(fields, "default_membership"))


def _add(fields: Mapping[str, Any], found: dict[str, Member]) -> Response:
    if not found:
        raise BadRequestError("guids: none")
    number, name, ip_over_ib = pkey(fields.get("pkey")), partition_name(fields), boolean(fields, "ip_over_ib", True)
    with ufm().changing() as table:
        table.add(number, found, ip_over_ib=ip_over_ib, name=name)
    return jsonify({})


@tree.put("/resources/pkeys")
def set_guids() -> Response:
    fields = body()
    return _set(fields, members(fields))


@tree.post("/actions/set_guids_for_pkey")
def legacy_set_guids() -> Response:
    fields = body()
    return _set(fields, members(fields, "default_membership"))


def _set(fields: Mapping[str, Any], found: dict[str, Member]) -> Response:
    number, name, ip_over_ib = pkey(fields.get("pkey")), partition_name(fields), boolean(fields, "ip_over_ib", True)
    with ufm().changing() as table:
        table.set(number, found, ip_over_ib=ip_over_ib, name=name, qos=fields)
    return jsonify({})


@tree.delete("/resources/pkeys/<key>/guids/<csv>")
def remove_guids(key: str, csv: str) -> Response:
    number, found = pkey(key), [guid(value) for value in csv.split(",")]
    with ufm().changing() as table:
        table.remove(number, found)
    return jsonify({})


@tree.post("/actions/remove_guids_from_pkey")
def legacy_remove_guids() -> Response:
    fields = body()
    number = pkey(fields.get("pkey"))
    found = [guid(value) for value in fields.get("guids") or []]
    with ufm().changing() as table:
        table.remove(number, found)
    return jsonify({})


@tree.get("/actions/get_all_pkeys")
def legacy_all_pkeys() -> Response:
    return all_pkeys()


@tree.delete("/resources/pkeys/<key>")
def delete_pkey(key: str) -> Response:
    number = pkey(key)
    with ufm().changing() as table:
        table.delete(number)
    return jsonify({})


@tree.put("/resources/pkeys/qos_conf")
def set_qos() -> Response:
    fields = body()
    number = pkey(fields.get("pkey"))
    with ufm().changing() as table:
        partition = table.find(number)
        partition.qos = partition.qos.changed(fields)  # `given` follows at the next start.
    return jsonify({})


@tree.post("/resources/pkeys/hosts")
def add_hosts() -> Response:
    fields = body()
    names = str(fields.get("hosts_names", "")).split(",")
    return _add(fields, members({**fields, "guids": ports_of_hosts(names)}))


@tree.delete("/resources/pkeys/<key>/hosts/<csv>")
def remove_hosts(key: str, csv: str) -> Response:
    number, found = pkey(key), ports_of_hosts(csv.split(","))
    with ufm().changing() as table:
        table.remove(number, found)
    return jsonify({})


def ports_of_hosts(names: Iterable[str]) -> list[str]:
    """
    Raises:
        NotFoundError: a host is not on the fabric.
    """
    hosts = {port["system_name"]: port["guid"] for port in inventory().ports() if port["dname"].startswith("HCA")}
    for name in names:
        if name not in hosts:
            raise NotFoundError(f"no host {name!r}")
    return [hosts[name] for name in names]


# --- what is on the wire --------------------------------------------------------------------------------------------


def inventory() -> Inventory:
    fabric: FabricClient = current_app.config["FABRIC"]
    return Inventory(fabric.nodes(), fabric.trunks(), current_app.config["ADDRESSES"])


def wanted(name: str, *fields: str) -> dict[str, Callable[[Record], object]]:
    """A filter by the query's value `name`, on any of the `fields`; none where the query has no such value."""
    value = request.args.get(name)
    return {} if value is None else {name: lambda record: value in [str(record[field]) for field in fields]}


@tree.get("/resources/systems")
def systems() -> Response:
    by = {name: (name,) for name in ("ip", "type", "model", "role", "name", "system_name")}
    filters = {key: check for name, fields in by.items() for key, check in wanted(name, *fields).items()}
    return jsonify(selected(inventory().systems(), filters))


@tree.get("/resources/systems/<name>")
def one_system(name: str) -> Response:
    found = [system for system in inventory().systems() if name in (system["guid"], system["system_name"])]
    if not found:
        raise NotFoundError(f"no system {name!r}")
    return jsonify(found[0])


@tree.get("/resources/ports")
def ports() -> Response:
    filters = wanted("system", "systemID", "system_name") | wanted("system_name", "system_name")
    if kind := request.args.get("sys_type"):
        filters["sys_type"] = lambda port: port["description"].startswith(f"{kind} ")
    if flag("active"):
        filters["active"] = lambda port: port["logical_state"] == "Active"
    return jsonify(selected(inventory().ports(), filters))


@tree.get("/resources/ports/<csv>")
def named_ports(csv: str) -> Response:
    names = csv.split(",")
    found = [port for port in inventory().ports() if port["name"] in names]
    if not found:
        raise NotFoundError(f"no port {csv!r}")
    return jsonify(found)


@tree.get("/resources/links")
def links() -> Response:
    system = ("source_guid", "destination_guid", "source_port_node_description", "destination_port_node_description")
    return jsonify(selected(inventory().links(), wanted("system", *system)))


@tree.get("/resources/vports")
def vports() -> Response:
    filters = wanted("system", "system_guid", "system_name") | wanted("port", "port_name", "port_guid")
    return jsonify(selected(inventory().vports(), filters))


# --- jobs -----------------------------------------------------------------------------------------------------------


@tree.get("/jobs")
def jobs() -> Response:
    filters = wanted("status", "Status") | wanted("operation", "Operation")
    if related := request.args.get("object_ids"):
        filters["object_ids"] = lambda job: set(related.split(",")) & set(job["RelatedObjects"])
    with ufm().lock:
        return jsonify(selected(ufm().jobs.values(), filters))


@tree.get("/jobs/<csv>")
def some_jobs(csv: str) -> Response:
    """One job is an object; several, or none of that name, are a list."""
    with ufm().lock:
        found = [ufm().looked_at(number) for number in ufm().jobs if str(number) in csv.split(",")]
    return jsonify(found[0] if len(found) == 1 and "," not in csv else found)


@tree.delete("/jobs/<int:number>")
def delete_job(number: int) -> Response:
    ufm().delete_job(number)
    return jsonify({})


# --- CloudX: Neutron's networks and ports ---------------------------------------------------------------------------


def accepted(operation: str, identity: str, change: Callable[[Table], None]) -> Response:
    """Makes the change and answers 202 with its job twice over: in Location behind the caller's prefix, and without
    prefix in an HTML page, which is where networking-mlnx reads it (a page of the real UFM's un-prefixed back end that
    Apache does not rewrite). A job that a fault spoils changes nothing, unless the fault says so."""
    fate: Rule = request.environ.get(FATE) or Rule(job="Completed", applied=True)
    if fate.applied or fate.job == "Completed":
        with ufm().changing() as table:
            change(table)
    number = ufm().job(operation, g.user, [identity], str(fate.job), fate.polls)
    prefix = request.path.split("/")[1]
    page = (
        "<!doctype html>\n<title>Accepted</title>\n<h1>Accepted</h1>\n"
        f'<p>The request is processed as <a href="/jobs/{number}">/jobs/{number}</a>.'
    )
    return Response(page, 202, {"Location": f"/{prefix}/jobs/{number}"}, mimetype="text/html")


@tree.post("/cloudx/Network")
def cloudx_network() -> Response:
    network = body()
    return accepted("Create Network", identified(network), lambda table: ufm().cloudx.add_network(table, network))


@tree.post("/cloudx/Port")
def cloudx_port() -> Response:
    port = body()
    return accepted("Create Port", identified(port), lambda table: ufm().cloudx.add_port(table, port))


@tree.put("/cloudx/<kind>/<identity>")
def cloudx_update(kind: str, identity: str) -> Response:
    """No update is documented. 501 is the one answer after which networking-mlnx takes the matter for done."""
    return Response("Not Implemented", 501, mimetype="text/plain")


@tree.delete("/cloudx/Network")
@tree.delete("/cloudx/Network/<identity>")
def cloudx_delete_network(identity: str | None = None) -> Response:
    """UFM's document has the ID in the body of a DELETE, the driver in its path."""
    network = identity or identified(body())
    return accepted("Delete Network", network, lambda table: ufm().cloudx.remove_network(table, network))


@tree.delete("/cloudx/Port")
@tree.delete("/cloudx/Port/<identity>")
def cloudx_delete_port(identity: str | None = None) -> Response:
    port = identity or identified(body())
    return accepted("Delete Port", port, lambda table: ufm().cloudx.remove_port(table, port))
