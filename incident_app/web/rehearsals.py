"""What is tried out before a wave is sent: a test to ourselves, and a rehearsal whose report the approver reads."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId
from incident_app.domain.vocabulary import JobKind
from incident_app.services import accounts, jobs, rehearsals, waves
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("rehearsals", __name__, url_prefix="/incidents/<reference>/dispatch/<int:campaign_id>")


@blueprint.get("/rehearsal")
@requires(Permission.INCIDENT_READ)
def show(reference: str, campaign_id: int) -> str:
    view = context.incident_of(reference)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    return incident_page(
        "dispatch/rehearsal.html",
        view,
        wave=wave,
        rehearsal=rehearsals.latest_rehearsal(context.engine(), wave.id),
        names=accounts.names_by_actor(context.engine()),
    )


@blueprint.post("/rehearsal")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def rehearse(reference: str, campaign_id: int) -> Response:
    view = context.incident_of(reference)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    if wave.status not in rehearsals.BEFORE_SENDING:
        raise rehearsals.RehearsedTooLate
    jobs.ask_for(
        context.engine(),
        JobKind.REHEARSE,
        incident_id=view.id,
        parameters={"campaign_id": wave.id},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("rehearsal.asked")
    return _back(reference, campaign_id)


@blueprint.post("/test")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def test(reference: str, campaign_id: int) -> Response:
    view = context.incident_of(reference)
    accounts.require(context.account(), Permission.RECIPIENTS_READ)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    if not (to := context.typed("to")):
        raise BadInput(field="to", problem="this is no mail address")
    jobs.ask_for(
        context.engine(),
        JobKind.TEST_SEND,
        incident_id=view.id,
        parameters={"campaign_id": wave.id, "to": to, "customer_number": context.typed("customer_number")},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("rehearsal.test_asked")
    return _back(reference, campaign_id)


def _back(reference: str, campaign_id: int) -> Response:
    return flask.redirect(flask.url_for("dispatch.one", reference=reference, campaign_id=campaign_id))
