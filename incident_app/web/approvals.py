"""Approvals: what waits for me, and the decision on exact content."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.ids import CampaignId, NoticeId, ReportId
from incident_app.domain.vocabulary import Subject
from incident_app.services import (
    accounts,
    approvals,
    consistency,
    contact_safety,
    incidents,
    notices,
    obligations,
    rehearsals,
    reports,
    waves,
)
from incident_app.services.approvals import PendingApproval
from incident_app.services.incidents import IncidentView
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("approvals", __name__)


@blueprint.get("/approvals")
@requires(Permission.INCIDENT_READ)
def index() -> str:
    mine = {view.id: view for view in incidents.list_incidents(context.engine(), context.account())}
    rows = [
        (row, mine[row.incident_id]) for row in approvals.pending_approvals(context.engine()) if row.incident_id in mine
    ]
    return flask.render_template("approvals/index.html", rows=rows, names=accounts.names_by_actor(context.engine()))


@blueprint.get("/incidents/<reference>/approvals/<int:request_id>")
@requires(Permission.INCIDENT_READ)
def show(reference: str, request_id: int) -> str:
    view = context.incident_of(reference)
    approvals.check_belongs(context.engine(), request_id, view.id)
    row = approvals.get_pending_approval(context.engine(), request_id)
    return incident_page(
        "approvals/show.html",
        view,
        row=row,
        is_author=row.requested_by == context.account().id,
        names=accounts.names_by_actor(context.engine()),
        explained=_explained(view, row),
        **_content(view, row),
    )


@blueprint.post("/incidents/<reference>/approvals/<int:request_id>/grant")
@requires(Permission.APPROVE)
@shown_at("approvals.show")
def grant(reference: str, request_id: int) -> Response:
    view = context.incident_of(reference)
    approvals.check_belongs(context.engine(), request_id, view.id)
    row = approvals.get_pending_approval(context.engine(), request_id)
    approvals.grant(context.engine(), request_id, actor=context.account().actor, now=context.now())
    if row.subject is Subject.WAIVER:
        obligations.waive(context.engine(), view.id, row.subject_id, actor=context.account().actor, now=context.now())
    context.done("approvals.granted")
    return flask.redirect(flask.url_for("approvals.index"))


@blueprint.post("/incidents/<reference>/approvals/<int:request_id>/reject")
@requires(Permission.APPROVE)
@shown_at("approvals.show")
def reject(reference: str, request_id: int) -> Response:
    view = context.incident_of(reference)
    approvals.check_belongs(context.engine(), request_id, view.id)
    approvals.reject(
        context.engine(), request_id, reason=context.typed("reason"), actor=context.account().actor, now=context.now()
    )
    context.done("approvals.rejected")
    return flask.redirect(flask.url_for("approvals.index"))


def _explained(view: IncidentView, row: PendingApproval) -> list[consistency.Explained]:
    """Return where the paper differs from others, each with the reason that the second person has to weigh."""
    found = consistency.show_consistency(context.engine(), view.id, now=context.now()).explained
    if row.subject is Subject.REPORT:
        return [one for one in found if f"report:{row.subject_id}" in one.mismatch.blamed]
    if row.subject is Subject.CAMPAIGN:
        wave = waves.get_wave_of(context.engine(), view.id, CampaignId(row.subject_id))
        return [one for one in found if f"notice:{wave.notice_id}" in one.mismatch.blamed]
    if row.subject is Subject.NOTICE:
        return [one for one in found if f"notice:{row.subject_id}" in one.mismatch.blamed]
    return []


def _content(view: IncidentView, row: PendingApproval) -> dict[str, object]:
    """Return exactly what is put before the second person."""
    engine = context.engine()
    if row.subject is Subject.CAMPAIGN:
        wave = waves.get_wave_of(engine, view.id, CampaignId(row.subject_id))
        return {
            "wave": wave,
            "rehearsal": rehearsals.latest_rehearsal(engine, wave.id),
            "notice": notices.get_notice(engine, view.id, NoticeId(wave.notice_id)),
            "safety": contact_safety.safety_of(engine, wave.id),
            "report": None,
            "duty": None,
        }
    if row.subject is Subject.REPORT:
        report = reports.get_report(engine, view.id, ReportId(row.subject_id))
        return {"wave": None, "notice": None, "report": report, "duty": None}
    if row.subject is Subject.NOTICE:
        notice = notices.get_notice(engine, view.id, NoticeId(row.subject_id))
        return {"wave": None, "notice": notice, "report": None, "duty": None}
    duties = {duty.id: duty for duty in obligations.list_obligations(engine, view.id)}
    reason = obligations.waiver_reason(engine, view.id, row.subject_id)
    return {"wave": None, "notice": None, "report": None, "duty": duties.get(row.subject_id), "reason": reason}
