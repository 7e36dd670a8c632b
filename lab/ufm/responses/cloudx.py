"""/cloudx: Neutron's networks and ports, sent by networking-mlnx's `mlnx_sdn_assist`."""

from collections.abc import Callable

from flask import Response, g, request

from lab.ufm.cloudx import object_id
from lab.ufm.faults import ENVIRON_JOB_RULE, Rule
from lab.ufm.partitions import Table
from lab.ufm.responses.common import body, ufm


def cloudx_network() -> Response:
    """Create the partition of a network."""
    network = body()
    return _accepted("Create Network", object_id(network), lambda table: ufm().cloudx.add_network(table, network))


def cloudx_port() -> Response:
    """Add a port to the partition of its network."""
    port = body()
    return _accepted("Create Port", object_id(port), lambda table: ufm().cloudx.add_port(table, port))


def cloudx_update(kind: str, identity: str) -> Response:
    """Refuse updates: UFM does not document them. After a 501, networking-mlnx marks its journal row as completed."""
    return Response("Not Implemented", 501, mimetype="text/plain")


def cloudx_delete_network(identity: str | None = None) -> Response:
    """Delete a network. UFM's documentation has the ID in the body of the DELETE, the driver has it in the path."""
    network = identity or object_id(body())
    return _accepted("Delete Network", network, lambda table: ufm().cloudx.remove_network(table, network))


def cloudx_delete_port(identity: str | None = None) -> Response:
    """Delete a port. The ID is in the path or in the body, as for a network."""
    port = identity or object_id(body())
    return _accepted("Delete Port", port, lambda table: ufm().cloudx.remove_port(table, port))


def _accepted(operation: str, identity: str, change: Callable[[Table], None]) -> Response:
    """Make the change and answer 202 with its job.

    The job's path is in the header Location with the caller's prefix, and without a prefix in an HTML page, where
    networking-mlnx reads it (UFM's back end creates the page, and Apache does not rewrite it). A job that a fault
    rule fails changes nothing, unless the rule says `applied`.
    """
    rule: Rule = request.environ.get(ENVIRON_JOB_RULE) or Rule(job="Completed", applied=True)
    if rule.applied or rule.job == "Completed":
        with ufm().changing() as table:
            change(table)
    number = ufm().jobs.create(operation, g.user, [identity], str(rule.job), rule.polls)
    prefix = request.path.split("/")[1]
    page = (
        "<!doctype html>\n<title>Accepted</title>\n<h1>Accepted</h1>\n"
        f'<p>The request is processed as <a href="/jobs/{number}">/jobs/{number}</a>.'
    )
    return Response(page, 202, {"Location": f"/{prefix}/jobs/{number}"}, mimetype="text/html")
