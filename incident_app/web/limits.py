"""The page of limits: how much is sent altogether and to each mail domain, and the pace of a wave."""

from __future__ import annotations

import unicodedata

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId
from incident_app.services import limits, paces, waves
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("limits", __name__)


@blueprint.get("/sending-limits")
@requires(Permission.DISPATCH_RUN)
def index() -> str:
    return flask.render_template("dispatch/limits.html", limits=limits.show_limits(context.engine()))


@blueprint.post("/sending-limits")
@requires(Permission.DISPATCH_RUN)
@shown_at("limits.index")
def set_all() -> Response:
    limits.set_limits(
        context.engine(),
        per_second=_number("per_second"),
        per_hour=_number("per_hour"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("limits.kept")
    return flask.redirect(flask.url_for("limits.index"))


@blueprint.post("/sending-limits/domain")
@requires(Permission.DISPATCH_RUN)
@shown_at("limits.index")
def set_domain() -> Response:
    limits.limit_domain(
        context.engine(),
        context.typed("domain"),
        per_minute=_number("per_minute"),
        connections=_number("connections"),
        paused_until=typed_moment(context.typed("paused_until"), field="paused_until"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("limits.kept")
    return flask.redirect(flask.url_for("limits.index"))


@blueprint.post("/sending-limits/lift")
@requires(Permission.DISPATCH_RUN)
@shown_at("limits.index")
def lift() -> Response:
    limits.lift_limit(context.engine(), context.typed("domain"), actor=context.account().actor, now=context.now())
    context.done("limits.lifted")
    return flask.redirect(flask.url_for("limits.index"))


@blueprint.post("/incidents/<reference>/dispatch/<int:campaign_id>/pace")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def pace(reference: str, campaign_id: int) -> Response:
    view = context.incident_of(reference)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    begin, end, calls = _number("hours_from"), _number("hours_until"), _number("calls_per_hour")
    if (begin is None) != (end is None):
        raise BadInput(field="hours_until", problem="sending hours lie between 0 and 24, the first before the second")
    ceiling, centre = _number("per_hour"), None
    if calls is not None:
        ceiling = None if ceiling == wave.pace.per_hour else ceiling  # it stood in the form, nobody typed it
        centre = paces.CallCentre(calls_per_hour=calls, percent_who_call=_number("percent_who_call") or 0)
    wanted = paces.pace_of(hours=None if begin is None or end is None else (begin, end), per_hour=ceiling, calls=centre)
    paces.set_pace(context.engine(), wave.id, wanted, calls=centre, actor=context.account().actor, now=context.now())
    context.done("limits.pace_kept")
    return flask.redirect(flask.url_for("dispatch.one", reference=reference, campaign_id=campaign_id))


def _number(field: str) -> int | None:
    """Read a whole number, in whichever digits; None when the field is empty."""
    digits = unicodedata.normalize("NFKC", context.typed(field)).replace(",", "").replace("、", "")
    if not digits:
        return None
    if not context.is_number(digits):
        raise BadInput(field=field, problem="a limit is a whole number from 1 on")
    return int(digits)
