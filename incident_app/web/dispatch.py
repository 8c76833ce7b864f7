"""The dispatch pages: fill a wave, have it approved, start it by typing the count, watch and stop it."""

from __future__ import annotations

import unicodedata

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.delivery import AudienceRule, Standing, WhenUncertain
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId
from incident_app.domain.vocabulary import JobKind, Subject
from incident_app.services import (
    accounts,
    approvals,
    canaries,
    contact_safety,
    dispatch,
    forecasts,
    jobs,
    notices,
    people,
    rehearsals,
    waves,
)
from incident_app.services.setup import sender_of
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment
from incident_app.web.words import phrase

blueprint = flask.Blueprint("dispatch", __name__, url_prefix="/incidents/<reference>/dispatch")
TRIED_OUT = (JobKind.REHEARSE, JobKind.TEST_SEND)
RULES = [rule for rule in AudienceRule if rule is not AudienceRule.LIST]


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    drafted = notices.list_notices(context.engine(), view.id)
    return incident_page(
        "dispatch/show.html",
        view,
        waves=waves.list_campaigns(context.engine(), view.id),
        titled=[(notice.id, f"{notice.title} ({_version(notice.version)})") for notice in drafted],
        rules=RULES,
        standings=people.standings(context.engine(), view.id),
        jobs=jobs.list_jobs(context.engine(), view.id, JobKind.FILL, most=2),
    )


@blueprint.post("/fill")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.show")
def fill(reference: str) -> Response:
    view = context.incident_of(reference)
    notice_id, rule = flask.request.form.get("notice_id", type=int), context.typed("rule")
    if notice_id is None or rule not in RULES:
        raise BadInput(field="notice_id", problem="choose a notice and an audience")
    sender = sender_of(context.engine(), context.parts().sender_address)
    resend = context.typed("when_uncertain") == WhenUncertain.RESEND
    as_of = typed_moment(context.typed("contacts_as_of"), field="contacts_as_of")
    jobs.ask_for(
        context.engine(),
        JobKind.FILL,
        incident_id=view.id,
        parameters={
            "notice_id": notice_id,
            "rule": rule,
            "sender_address": sender.address,
            "sender_names": dict(sender.names),
            "when_uncertain": WhenUncertain.RESEND if resend else WhenUncertain.ASK,
            "items": [],
            "contacts_as_of": as_of.isoformat() if as_of else None,
            "channel_reason": context.typed("channel_reason"),
        },
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("dispatch.fill_asked")
    return flask.redirect(flask.url_for("dispatch.show", reference=reference))


@blueprint.get("/<int:campaign_id>")
@requires(Permission.INCIDENT_READ)
def one(reference: str, campaign_id: int) -> str:
    view = context.incident_of(reference)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    doubts = waves.in_doubt(context.engine(), wave.id)
    return incident_page(
        "dispatch/one.html",
        view,
        wave=wave,
        forecast=forecasts.forecast_of(
            context.engine(), wave, configured_per_second=context.parts().per_second, now=context.now()
        ),
        rehearsal=rehearsals.latest_rehearsal(context.engine(), wave.id),
        names=accounts.names_by_actor(context.engine()),
        jobs=jobs.list_jobs(context.engine(), view.id, *TRIED_OUT, most=2),
        doubts=doubts,
        numbered=[(number, number) for number in doubts[:50]],
        safety=contact_safety.safety_of(context.engine(), wave.id),
        withheld=waves.withheld_by_reason(context.engine(), wave.id),
        first_three=waves.first_recipients(context.engine(), wave.id),
        resolutions=list(dispatch.Resolution),
    )


@blueprint.post("/<int:campaign_id>/approval")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def ask_approval(reference: str, campaign_id: int) -> Response:
    view = context.incident_of(reference)
    approvals.request_approval(
        context.engine(), view.id, Subject.CAMPAIGN, campaign_id, actor=context.account().actor, now=context.now()
    )
    context.done("approvals.asked")
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/start")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def start(reference: str, campaign_id: int) -> Response:
    wave = _wave(reference, campaign_id)
    dispatch.start_campaign(
        context.engine(),
        wave.id,
        typed_count=_number("count"),
        canary=_number("canary") if context.typed("canary") else None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("dispatch.started")
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/pause")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def pause(reference: str, campaign_id: int) -> Response:
    wave = _wave(reference, campaign_id)
    dispatch.pause_campaign(context.engine(), wave.id, actor=context.account().actor, now=context.now())
    context.done("dispatch.paused")
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/resume")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def resume(reference: str, campaign_id: int) -> Response:
    wave = _wave(reference, campaign_id)
    dispatch.resume_campaign(context.engine(), wave.id, actor=context.account().actor, now=context.now())
    context.done("dispatch.resumed")
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/go")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def go(reference: str, campaign_id: int) -> Response:
    wave = _wave(reference, campaign_id)
    canaries.go_on(context.engine(), wave.id, actor=context.account().actor, now=context.now())
    context.done("dispatch.went_on")
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/cancel")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def cancel(reference: str, campaign_id: int) -> Response:
    wave = _wave(reference, campaign_id)
    unsent = dispatch.cancel_campaign(
        context.engine(), wave.id, reason=context.typed("reason"), actor=context.account().actor, now=context.now()
    )
    context.done("dispatch.cancelled", unsent=unsent)
    return _back(reference, campaign_id)


@blueprint.post("/<int:campaign_id>/resolve")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.one")
def resolve(reference: str, campaign_id: int) -> Response:
    view = context.incident_of(reference)
    chosen, delivery_id = context.typed("resolution"), flask.request.form.get("delivery_id", type=int)
    if chosen not in set(dispatch.Resolution) or delivery_id is None:
        raise BadInput(field="resolution", problem="choose what was found out")
    dispatch.resolve(
        context.engine(),
        view.id,
        delivery_id,
        dispatch.Resolution(chosen),
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("dispatch.resolved")
    return _back(reference, campaign_id)


@blueprint.post("/told")
@requires(Permission.DISPATCH_RUN)
@shown_at("dispatch.show")
def told(reference: str) -> Response:
    view = context.incident_of(reference)
    standing = context.typed("standing")
    if standing not in set(Standing):
        raise BadInput(field="standing", problem="choose how it stands with this person")
    number = people.record_told(
        context.engine(),
        view.id,
        context.typed("numbers").split(),
        standing=Standing(standing),
        how=context.typed("how") or "phone",
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("dispatch.told", people=number)
    return flask.redirect(flask.url_for("dispatch.show", reference=reference))


def _number(field: str) -> int:
    digits = unicodedata.normalize("NFKC", context.typed(field)).replace(",", "").replace("、", "")
    if not context.is_number(digits):
        raise BadInput(field=field, problem="type the number of messages")
    return int(digits)


def _version(number: int) -> str:
    return phrase("page.version", context.language(), version=number)


def _wave(reference: str, campaign_id: int) -> waves.CampaignView:
    view = context.incident_of(reference)
    return waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))


def _back(reference: str, campaign_id: int) -> Response:
    return flask.redirect(flask.url_for("dispatch.one", reference=reference, campaign_id=campaign_id))
