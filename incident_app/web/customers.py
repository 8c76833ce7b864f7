"""The page of imports: hand in a file of customers or holdings, see what became of earlier ones."""

from __future__ import annotations

import os

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import JobKind
from incident_app.services import customers, jobs
from incident_app.web import context
from incident_app.web.context import requires, shown_at

blueprint = flask.Blueprint("customers", __name__)


@blueprint.get("/customers")
@requires(Permission.INVENTORY_WRITE)
def index() -> str:
    return flask.render_template(
        "customers/index.html",
        imports=customers.list_imports(context.engine()),
        jobs=[job for job in jobs.list_jobs(context.engine(), None) if job.kind is JobKind.IMPORT][:3],
    )


@blueprint.post("/customers")
@requires(Permission.INVENTORY_WRITE)
@shown_at("customers.index")
def hand_in() -> Response:
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    if not content:
        raise BadInput(field="file", problem="choose a CSV file")
    digest = digest_of_bytes(content)
    folder = context.parts().uploads
    descriptor = os.open(folder / f"{digest}.csv", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    jobs.ask_for(
        context.engine(),
        JobKind.IMPORT,
        incident_id=None,
        parameters={"digest": digest, "keep_good": context.typed("keep_good") == "yes"},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("customers.handed_in")
    return flask.redirect(flask.url_for("customers.index"))
