"""The steps page: the work that the response playbooks call for."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.services import steps
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("steps", __name__, url_prefix="/incidents/<reference>/steps")


def _titles(reference: str, **_step: str) -> Mapping[str, str]:
    """Return what the page calls each step."""
    found = {step.code: step for step in steps.list_steps(context.engine(), context.incident_of(reference).id)}
    return {code: step.title_ja if context.language() == "ja" else step.title_en for code, step in found.items()}


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    return incident_page("steps/show.html", view, steps=steps.list_steps(context.engine(), view.id))


@blueprint.post("/<code>/start")
@requires(Permission.STEP_WORK)
@shown_at("steps.show", form="steps.finish", names=_titles)
def start(reference: str, code: str) -> Response:
    view = context.incident_of(reference)
    steps.start_step(context.engine(), view.id, code, actor=context.account().actor, now=context.now())
    context.done("steps.started")
    return flask.redirect(flask.url_for("steps.show", reference=reference))


@blueprint.post("/<code>/finish")
@requires(Permission.STEP_WORK)
@shown_at("steps.show", names=_titles)
def finish(reference: str, code: str) -> Response:
    view = context.incident_of(reference)
    steps.finish_step(
        context.engine(),
        view.id,
        code,
        result=context.typed("result") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("steps.finished")
    return flask.redirect(flask.url_for("steps.show", reference=reference))


@blueprint.post("/<code>/skip")
@requires(Permission.STEP_WORK)
@shown_at("steps.show", form="steps.finish", names=_titles)
def skip(reference: str, code: str) -> Response:
    view = context.incident_of(reference)
    steps.skip_step(
        context.engine(),
        view.id,
        code,
        reason=context.typed("result"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("steps.skipped")
    return flask.redirect(flask.url_for("steps.show", reference=reference))
