"""The paths of UFM's REST API, below each of the three prefixes, and their responses."""

from flask import Blueprint

from lab.ufm.authentication import authenticate
from lab.ufm.responses import application, cloudx, fabric, groups, jobs, pkeys

PREFIXES = ("/ufmRest", "/ufmRestV2", "/ufmRestV3")

URLS = (
    ("GET", "/app/ufm_version", application.version),
    ("GET", "/app/smconf", application.smconf),
    ("GET", "/app/tokens", application.tokens),
    ("POST", "/app/tokens", application.create_token),
    ("POST", "/app/tokens/revoke", application.revoke_token),
    ("GET", "/app/users", application.users),
    ("GET", "/app/users/<name>", application.one_user),
    ("PUT", "/app/users/<name>", application.change_user),
    ("GET", "/resources/pkeys", pkeys.all_pkeys),
    ("POST", "/resources/pkeys", pkeys.add_guids),
    ("PUT", "/resources/pkeys", pkeys.set_guids),
    ("GET", "/resources/pkeys/last_updated", pkeys.last_updated),
    ("POST", "/resources/pkeys/add", pkeys.create_pkey),
    ("POST", "/resources/pkeys/hosts", pkeys.add_hosts),
    ("PUT", "/resources/pkeys/qos_conf", pkeys.set_qos),
    ("GET", "/resources/pkeys/<key>", pkeys.one_pkey),
    ("DELETE", "/resources/pkeys/<key>", pkeys.delete_pkey),
    ("DELETE", "/resources/pkeys/<key>/guids/<csv>", pkeys.remove_guids),
    ("DELETE", "/resources/pkeys/<key>/hosts/<csv>", pkeys.remove_hosts),
    ("GET", "/actions/get_all_pkeys", pkeys.legacy_all_pkeys),
    ("POST", "/actions/add_guids_to_pkey", pkeys.legacy_add_guids),
    ("POST", "/actions/set_guids_for_pkey", pkeys.legacy_set_guids),
    ("POST", "/actions/remove_guids_from_pkey", pkeys.legacy_remove_guids),
    ("GET", "/resources/systems", fabric.systems),
    ("GET", "/resources/systems/<name>", fabric.one_system),
    ("GET", "/resources/ports", fabric.ports),
    ("GET", "/resources/ports/<csv>", fabric.named_ports),
    ("GET", "/resources/links", fabric.links),
    ("GET", "/resources/vports", fabric.vports),
    ("GET", "/resources/groups", groups.all_groups),
    ("POST", "/resources/groups", groups.create_group),
    ("GET", "/resources/groups/<name>", groups.one_group),
    ("PUT", "/resources/groups/<name>", groups.describe_group),
    ("DELETE", "/resources/groups/<name>", groups.delete_group),
    ("GET", "/jobs", jobs.jobs),
    ("GET", "/jobs/<csv>", jobs.some_jobs),
    ("DELETE", "/jobs/<int:number>", jobs.delete_job),
    ("POST", "/cloudx/Network", cloudx.cloudx_network),
    ("POST", "/cloudx/Port", cloudx.cloudx_port),
    ("PUT", "/cloudx/<kind>/<identity>", cloudx.cloudx_update),
    ("DELETE", "/cloudx/Network", cloudx.cloudx_delete_network),
    ("DELETE", "/cloudx/Network/<identity>", cloudx.cloudx_delete_network),
    ("DELETE", "/cloudx/Port", cloudx.cloudx_delete_port),
    ("DELETE", "/cloudx/Port/<identity>", cloudx.cloudx_delete_port),
)


def blueprint() -> Blueprint:
    """Return the API without its prefix; every request is authenticated."""
    api = Blueprint("api", __name__)
    api.before_request(authenticate)
    for method, path, response in URLS:
        api.add_url_rule(path, view_func=response, methods=[method])
    return api
