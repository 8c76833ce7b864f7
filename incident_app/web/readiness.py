"""The page of readiness: the score, what lowers it, and how it moved."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.readiness import HEIGHT, MARGIN, WIDTH, line_points
from incident_app.domain.zones import JST
from incident_app.services import readiness
from incident_app.web import context
from incident_app.web.context import requires, shown_at

blueprint = flask.Blueprint("readiness", __name__)


@blueprint.get("/readiness")
@requires(Permission.INVENTORY_READ)
def index() -> str:
    history = readiness.list_scores(context.engine())
    points = line_points([(entry.at.astimezone(JST).date(), entry.value) for entry in reversed(history)])
    return flask.render_template(
        "readiness/index.html",
        history=history,
        fits=readiness.fits_a_page(context.engine()),
        points=points,
        line=" ".join(f"{x},{y}" for x, y in points),
        size={"width": WIDTH, "height": HEIGHT, "margin": MARGIN},
    )


@blueprint.post("/readiness")
@requires(Permission.INVENTORY_WRITE)
@shown_at("readiness.index")
def record() -> Response:
    found = readiness.record_score_in_page(context.engine(), actor=context.account().actor, now=context.now())
    context.done("readiness.recorded", value=found.value)
    return flask.redirect(flask.url_for("readiness.index"))
