"""The obligations board: what is due to whom, why, and how the date was counted."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.conditions import DECIDABLE
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import DutyStatus
from incident_app.services import clock_book, facts, moving_texts, obligation_history, obligations, roles
from incident_app.services.obligations import ObligationView
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import URGENT, typed_moment
from incident_app.web.words import phrase

blueprint = flask.Blueprint("obligations", __name__, url_prefix="/incidents/<reference>/obligations")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    found = obligations.list_obligations(context.engine(), view.id)
    lives = obligation_history.duty_lives(context.engine(), view.id)
    return incident_page(
        "obligations/show.html",
        view,
        groups=_groups(found),
        lives={life.id: life for life in lives},
        gone=[life for life in lives if life.is_gone],
        clocks=clock_book.list_clocks(context.engine(), view.id),
        data_sets=roles.store_roles(context.engine(), view.id),
        offered=moving_texts.offered_texts(context.engine(), view.id),
        decidable=_decidable(facts.list_decided(context.engine(), view.id)),
    )


@blueprint.post("/decide")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("obligations.show")
def decide(reference: str) -> Response:
    view = context.incident_of(reference)
    answer = context.typed("answer")
    if answer not in {"yes", "no"}:
        raise BadInput(field="answer", problem="choose yes or no")
    actor, now = context.account().actor, context.now()
    facts.decide_fact(
        context.engine(),
        view.id,
        context.typed("fact"),
        value=answer == "yes",
        reason=context.typed("reason"),
        actor=actor,
        now=now,
    )
    obligations.derive_if_determined(
        context.engine(), view.id, designated_operator=context.parts().designated_operator, actor=actor, now=now
    )
    context.done("obligations.decided")
    return flask.redirect(flask.url_for("obligations.show", reference=reference))


@blueprint.post("/<int:obligation_id>/waiver")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("obligations.show")
def ask_waiver(reference: str, obligation_id: int) -> Response:
    view = context.incident_of(reference)
    obligations.ask_waiver(
        context.engine(),
        view.id,
        obligation_id,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("obligations.waiver_asked")
    return flask.redirect(flask.url_for("obligations.show", reference=reference))


@blueprint.post("/clocks/<subject>")
@requires(Permission.INCIDENT_WRITE)
@shown_at("obligations.show")
def correct_clock(reference: str, subject: str) -> Response:
    view = context.incident_of(reference)
    at = typed_moment(context.typed("at"), field="at")
    if at is None:
        raise BadInput(field="at", problem="say when the clock began")
    actor, now = context.account().actor, context.now()
    clock_book.correct_clock(
        context.engine(), view.id, subject, at=at, reason=context.typed("reason"), actor=actor, now=now
    )
    obligations.derive_if_determined(
        context.engine(), view.id, designated_operator=context.parts().designated_operator, actor=actor, now=now
    )
    context.done("obligations.clock_corrected")
    return flask.redirect(flask.url_for("obligations.show", reference=reference))


@blueprint.post("/texts/<code>")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("obligations.show")
def adopt(reference: str, code: str) -> Response:
    view = context.incident_of(reference)
    moved = moving_texts.move_to_newest(
        context.engine(),
        view.id,
        code,
        reason=context.typed("reason"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("obligations.moved", code=moved.code, version=moved.newest)
    return flask.redirect(flask.url_for("obligations.show", reference=reference))


def _decidable(decided: Mapping[str, bool]) -> list[tuple[str, str]]:
    """Return the facts that a person may decide, each with what was decided so far."""
    language = context.language()
    answers = {True: phrase("page.yes", language), False: phrase("page.no", language)}
    return [
        (fact, phrase(f"fact.{fact}", language) + (f" ({answers[decided[fact]]})" if fact in decided else ""))
        for fact in DECIDABLE
    ]


def _groups(found: list[ObligationView]) -> list[tuple[str, list[ObligationView]]]:
    groups: dict[str, list[ObligationView]] = {
        key: [] for key in ("overdue", "urgent", "later", "no_number", "to_decide", "not_started", "done")
    }
    for duty in found:
        groups[_group(duty)].append(duty)
    return [(key, duties) for key, duties in groups.items() if duties or key == "overdue"]


def _group(duty: ObligationView) -> str:
    if not duty.is_live:
        return "done"
    if duty.due_at is not None and duty.due_at < context.now():
        return "overdue"
    if duty.status is DutyStatus.TO_DECIDE:
        return "to_decide"
    if duty.status is DutyStatus.CLOCK_NOT_STARTED:
        return "not_started"
    if duty.due_at is None:
        return "no_number"
    return "urgent" if duty.due_at - context.now() < URGENT else "later"
