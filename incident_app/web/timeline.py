"""The timeline page: entries, notes, verification, exports."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.services import exports, timeline
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("timeline", __name__, url_prefix="/incidents/<reference>/timeline")
MEDIA = {"csv": ("text/csv", "csv"), "json": ("application/json", "json"), "markdown": ("text/markdown", "md")}


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    return incident_page(
        "timeline/show.html",
        view,
        entries=timeline.entries(context.engine(), view.id),
        verification=timeline.verify_timeline(context.engine()),
    )


@blueprint.post("")
@requires(Permission.TIMELINE_WRITE)
@shown_at("timeline.show")
def add(reference: str) -> Response:
    view = context.incident_of(reference)
    occurred_at = typed_moment(context.typed("occurred_at"), field="occurred_at") or context.now()
    timeline.record_note(
        context.engine(),
        view.id,
        context.typed("text"),
        occurred_at=occurred_at,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("timeline.recorded_done")
    return flask.redirect(flask.url_for("timeline.show", reference=reference))


@blueprint.post("/export")
@requires(Permission.TIMELINE_EXPORT)
@shown_at("timeline.show")
def export(reference: str) -> flask.Response:
    view = context.incident_of(reference)
    form = context.typed("format")
    if form not in MEDIA:
        raise BadInput(field="format", problem="choose csv, json or markdown")
    text = exports.export_timeline(
        context.engine(),
        view.id,
        form,
        language=context.language(),
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    return download(text, form, f"{reference}-timeline")


def download(text: str, form: str, name: str) -> flask.Response:
    """Return a file to be saved; its name holds the incident's number only."""
    media, ending = MEDIA[form]
    content = ("\ufeff" + text if form == "csv" else text).encode()  # a spreadsheet needs the mark to read Japanese
    return flask.Response(
        content,
        mimetype=media,
        headers={"Content-Disposition": f'attachment; filename="{name}.{ending}"'},
    )
