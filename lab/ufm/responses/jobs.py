"""/jobs: the operations that answered 202."""

from flask import Response, jsonify, request

from lab.ufm.resources import selected
from lab.ufm.responses.common import query_filter, ufm


def jobs() -> Response:
    """Return the jobs that match the query."""
    filters = query_filter("status", "Status") | query_filter("operation", "Operation")
    if related := request.args.get("object_ids"):
        filters["object_ids"] = lambda job: set(related.split(",")) & set(job["RelatedObjects"])
    return jsonify(selected(ufm().jobs.listing(), filters))


def some_jobs(csv: str) -> Response:
    """Return one job as an object; several jobs, or none, as a list."""
    numbers = csv.split(",")
    found = ufm().jobs.poll(lambda number: str(number) in numbers)
    return jsonify(found[0] if len(found) == 1 and "," not in csv else found)


def delete_job(number: int) -> Response:
    """Delete a job."""
    ufm().jobs.delete(number)
    return jsonify({})
