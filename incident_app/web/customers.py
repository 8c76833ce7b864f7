"""The page of imports: hand in a file of customers or holdings, see what became of earlier ones, take one back."""

from __future__ import annotations

import hashlib
import os
import secrets

import flask
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.encodings import Encoding, encoding_named
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import JobKind
from incident_app.services import abandoning, customers, jobs, profiles
from incident_app.web import context
from incident_app.web.context import requires, shown_at

blueprint = flask.Blueprint("customers", __name__)
PIECE = 1 << 18


@blueprint.get("/customers")
@requires(Permission.INVENTORY_WRITE)
def index() -> str:
    return flask.render_template(
        "customers/index.html",
        imports=customers.list_imports(context.engine()),
        jobs=jobs.list_jobs(context.engine(), None, JobKind.IMPORT, most=3),
        profiles=[(name, name) for name in profiles.profile_names(context.parts().profiles)],
        encodings=[(word.value, word.value) for word in Encoding],
    )


@blueprint.post("/customers")
@requires(Permission.INVENTORY_WRITE)
@shown_at("customers.index")
def hand_in() -> Response:
    upload = flask.request.files.get("file")
    encoding, profile = context.typed("encoding"), context.typed("profile")
    if encoding:
        encoding_named(encoding)
    if profile:
        profiles.get_profile(context.parts().profiles, profile)
    digest = _keep(upload) if upload else None
    if digest is None:
        raise BadInput(field="file", problem="choose a file that is not empty")
    jobs.ask_for(
        context.engine(),
        JobKind.IMPORT,
        incident_id=None,
        parameters={
            "digest": digest,
            "keep_good": context.typed("keep_good") == "yes",
            "encoding": encoding,
            "profile": profile,
        },
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("customers.handed_in")
    return flask.redirect(flask.url_for("customers.index"))


def _keep(upload: FileStorage) -> str | None:
    """Write the upload to disk piece by piece, for the owner only, named by its digest; None when it is empty."""
    found = hashlib.sha256()
    waiting = context.parts().uploads / f".{secrets.token_hex(8)}"
    size = 0
    with os.fdopen(os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := upload.stream.read(PIECE):
            found.update(piece)
            size += file.write(piece)
    if not size:
        waiting.unlink()
        return None
    waiting.replace(waiting.with_name(f"{found.hexdigest()}.csv"))
    return found.hexdigest()


@blueprint.get("/customers/<int:import_id>/refused.csv")
@requires(Permission.INVENTORY_WRITE)
def refused(import_id: int) -> Response:
    """Line and reason of every line that was refused or remarked on: nothing personal."""
    text = customers.refused_csv(context.engine(), import_id)
    return Response(
        text,
        mimetype="text/csv",
        headers={"Content-Disposition": f"attachment; filename=import-{import_id}-lines.csv"},
    )


@blueprint.post("/customers/<int:import_id>/abandon")
@requires(Permission.INVENTORY_WRITE)
@shown_at("customers.index")
def abandon(import_id: int) -> Response:
    if context.typed("confirm") != str(import_id):
        raise BadInput(field="confirm", problem=f"type {import_id} to abandon this import")
    abandoning.abandon_import(context.engine(), import_id, actor=context.account().actor, now=context.now())
    context.done("customers.abandoned")
    return flask.redirect(flask.url_for("customers.index"))
