"""The notices page: write the facts, read the text, preview one person's copy."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId, NoticeId
from incident_app.domain.notice_lint import LintRule
from incident_app.domain.vocabulary import Language
from incident_app.services import notice_checks, notices, previews, waves
from incident_app.services.composing import NoticeComposer
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from notifications.addresses import domain_of

blueprint = flask.Blueprint("notices", __name__, url_prefix="/incidents/<reference>/notices")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    return incident_page(
        "notices/show.html",
        view,
        notices=notices.list_notices(context.engine(), view.id),
        kinds=context.parts().templates.kinds(),
        kinds_named={kind: context.parts().templates.about(kind).title for kind in context.parts().templates.kinds()},
    )


@blueprint.get("/write/<kind>")
@requires(Permission.NOTICE_WRITE)
def write(reference: str, kind: str) -> str:
    view = context.incident_of(reference)
    _check_kind(kind)
    notice_id = flask.request.values.get("notice_id", type=int)
    earlier = notices.get_notice(context.engine(), view.id, NoticeId(notice_id)) if notice_id else None
    return incident_page(
        "notices/write.html",
        view,
        kind=kind,
        needed=notices.facts_needed(context.parts().templates, kind),
        earlier=earlier,
        notice_id=notice_id,
    )


def _labels(reference: str, kind: str) -> Mapping[str, str]:
    """Return what the page calls each fact of a kind of notice."""
    context.incident_of(reference)
    needed = notices.facts_needed(context.parts().templates, kind) if _is_known(kind) else {}
    return {fact.name: context.named_in(fact.label) for facts in needed.values() for fact in facts}


@blueprint.post("/write/<kind>")
@requires(Permission.NOTICE_WRITE)
@shown_at("notices.write", names=_labels)
def draft(reference: str, kind: str) -> Response:
    view = context.incident_of(reference)
    _check_kind(kind)
    templates = context.parts().templates
    facts = {
        language: {fact.name: context.typed(f"{language}.{fact.name}") for fact in needed}
        for language, needed in notices.facts_needed(templates, kind).items()
    }
    notice_id = flask.request.form.get("notice_id", type=int)
    drafted = notices.draft_notice(
        context.engine(),
        view.id,
        templates,
        kind=kind,
        facts=facts,
        title=context.typed("title"),
        notice_id=NoticeId(notice_id) if notice_id else None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("notices.drafted", version=drafted.version)
    return flask.redirect(flask.url_for("notices.show", reference=reference))


@blueprint.post("/<int:notice_id>/waive")
@requires(Permission.NOTICE_WRITE)
@shown_at("notices.show")
def waive(reference: str, notice_id: int) -> Response:
    view = context.incident_of(reference)
    language, rule = context.typed("language"), context.typed("rule")
    if language not in set(Language) or rule not in set(LintRule):
        raise BadInput(field="rule", problem="there is no such finding to accept")
    notice_checks.waive(
        context.engine(),
        view.id,
        NoticeId(notice_id),
        Language(language),
        LintRule(rule),
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("notices.waived")
    return flask.redirect(flask.url_for("notices.show", reference=reference))


@blueprint.get("/<int:notice_id>/preview")
@requires(Permission.RECIPIENTS_READ)
@shown_at("notices.show")
def preview(reference: str, notice_id: int) -> str:
    view = context.incident_of(reference)
    number = flask.request.args.get("number", "").strip()
    subject, text, _html = notices.preview(context.engine(), view.id, NoticeId(notice_id), number)
    return incident_page("notices/preview.html", view, subject=subject, text=text, number=number, in_wave=False)


@blueprint.get("/waves/<int:campaign_id>/preview")
@requires(Permission.RECIPIENTS_READ)
@shown_at("dispatch.one")
def preview_in_wave(reference: str, campaign_id: int) -> str:
    view = context.incident_of(reference)
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(campaign_id))
    number = flask.request.args.get("number", "").strip()
    domain = domain_of(context.parts().sender_address)  # stands in headers only, and those are not shown
    composer = NoticeComposer(context.engine(), clock=context.now, bounce_domain=domain, message_domain=domain)
    found = previews.preview_in_wave(context.engine(), composer, wave.id, number)
    return incident_page(
        "notices/preview.html", view, subject=found.subject, text=found.text, number=number, in_wave=True
    )


def _is_known(kind: str) -> bool:
    return kind in context.parts().templates.kinds()


def _check_kind(kind: str) -> None:
    if not _is_known(kind):
        raise BadInput(field="kind", problem="there is no template of this kind")
