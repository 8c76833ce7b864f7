"""Severity: every input with its reason, the range of the score, and deciding what the rules leave open."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.services import severity
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("severity", __name__, url_prefix="/incidents/<reference>/severity")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    version = flask.request.args.get("version", type=int)
    return incident_page("severity/show.html", view, found=severity.get_severity(context.engine(), view.id, version))


@blueprint.post("")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("severity.show")
def assess(reference: str) -> Response:
    view = context.incident_of(reference)
    found = severity.assess_severity(context.engine(), view.id, actor=context.account().actor, now=context.now())
    context.done("severity.unchanged" if found.unchanged else "severity.assessed", version=found.version)
    return flask.redirect(flask.url_for("severity.show", reference=reference))


@blueprint.post("/<question>")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("severity.show")
def decide(reference: str, question: str) -> Response:
    view = context.incident_of(reference)
    found = severity.assess_severity(
        context.engine(),
        view.id,
        decisions={question: context.typed("answer")},
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("severity.assessed", version=found.version)
    return flask.redirect(flask.url_for("severity.show", reference=reference) + f"#{question}")


@blueprint.post("/<question>/reset")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("severity.show")
def reset(reference: str, question: str) -> Response:
    view = context.incident_of(reference)
    found = severity.assess_severity(
        context.engine(), view.id, reset=[question], actor=context.account().actor, now=context.now()
    )
    context.done("severity.assessed", version=found.version)
    return flask.redirect(flask.url_for("severity.show", reference=reference) + f"#{question}")
