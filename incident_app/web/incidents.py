"""The list of incidents, a new one, and the overview of one."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import UserId
from incident_app.domain.incidents import Opening
from incident_app.domain.vocabulary import ClockSource
from incident_app.services import accounts, closing, incidents, obligations
from incident_app.services.steps import incident_kinds
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page, overview_values
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("incidents", __name__)


@blueprint.get("/")
@blueprint.get("/incidents")
@requires(Permission.INCIDENT_READ)
def index() -> str:
    found = incidents.list_incidents(context.engine(), context.account())
    rows = []
    for view in found:
        dated = [
            duty for duty in obligations.list_obligations(context.engine(), view.id) if duty.is_live and duty.due_at
        ]
        rows.append((view, dated[0] if dated else None))
    return flask.render_template("incidents/index.html", rows=rows)


@blueprint.get("/incidents/new")
@requires(Permission.INCIDENT_WRITE)
def new() -> str:
    kinds = [(kind.code, context.named_in(kind.name)) for kind in incident_kinds(context.engine())]
    return flask.render_template("incidents/new.html", kinds=kinds)


@blueprint.post("/incidents/new")
@requires(Permission.INCIDENT_WRITE)
@shown_at("incidents.new")
def create() -> Response:
    detected_at = typed_moment(context.typed("detected_at"), field="detected_at")
    if detected_at is None:
        raise BadInput(field="detected_at", problem="say when it was detected")
    opening = Opening(
        kind=context.typed("kind"),
        title=context.typed("title"),
        detected_at=detected_at,
        occurred_from=typed_moment(context.typed("occurred_from"), field="occurred_from"),
        occurred_until=typed_moment(context.typed("occurred_until"), field="occurred_until"),
        aware_at=typed_moment(context.typed("aware_at"), field="aware_at"),
        aware_reason=context.typed("aware_reason") or None,
        known_by=context.typed("known_by"),
        exercise=context.typed("exercise") == "yes",
    )
    view = incidents.open_incident(context.engine(), opening, actor=context.account().actor, now=context.now())
    context.done("incident.opened", reference=view.reference)
    return flask.redirect(flask.url_for("incidents.overview", reference=view.reference))


@blueprint.get("/incidents/<reference>")
@requires(Permission.INCIDENT_READ)
def overview(reference: str) -> str:
    view = context.incident_of(reference)
    everybody = accounts.list_accounts(context.engine())
    others = [(person.id, person.name) for person in everybody if person.id != context.account().id]
    return incident_page("incidents/overview.html", view, others=others, **overview_values(view))


@blueprint.post("/incidents/<reference>/awareness")
@requires(Permission.INCIDENT_WRITE)
@shown_at("incidents.overview")
def awareness(reference: str) -> Response:
    view = context.incident_of(reference)
    aware_at = typed_moment(context.typed("aware_at"), field="aware_at")
    if aware_at is None:
        raise BadInput(field="aware_at", problem="say when we became aware")
    incidents.record_awareness(
        context.engine(),
        view.id,
        aware_at=aware_at,
        source=ClockSource.DEPARTMENT,
        known_by=context.typed("known_by"),
        reason=context.typed("reason") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    obligations.derive_if_determined(
        context.engine(),
        view.id,
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("incident.awareness_recorded")
    return flask.redirect(flask.url_for("incidents.overview", reference=reference))


@blueprint.post("/incidents/<reference>/close")
@requires(Permission.INCIDENT_WRITE)
@shown_at("incidents.overview")
def close(reference: str) -> Response:
    view = context.incident_of(reference)
    closing.settle_and_close(
        context.engine(),
        view.id,
        reason=context.typed("reason") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("closing.closed")
    return flask.redirect(flask.url_for("incidents.overview", reference=reference))


@blueprint.post("/incidents/<reference>/members")
@requires(Permission.INCIDENT_WRITE)
@shown_at("incidents.overview")
def add_member(reference: str) -> Response:
    view = context.incident_of(reference)
    chosen = context.typed("user_id")
    if not context.is_number(chosen):
        raise BadInput(field="user_id", problem="choose somebody")
    joining = accounts.get_account(context.engine(), UserId(int(chosen)))
    accounts.add_member(
        context.engine(), view.id, joining.id, role="member", actor=context.account().actor, now=context.now()
    )
    context.done("incident.member_added")
    return flask.redirect(flask.url_for("incidents.overview", reference=reference))
