"""Numbers of natural persons: what drives the law, what stands beside it, and the whole history."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.vocabulary import CountKind
from incident_app.services import count_subjects, person_counts, recounting
from incident_app.services.counts import ALL, CARD
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("counts", __name__, url_prefix="/incidents/<reference>/counts")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    history = person_counts.history(context.engine(), view.id)[::-1]
    return incident_page(
        "counts/show.html",
        view,
        numbers=person_counts.show_numbers(context.engine(), view.id),
        history=history,
        names=count_subjects.subject_names(context.engine(), view.id, {row.count.subject for row in history}),
        subjects=(ALL, CARD),
        kinds=tuple(CountKind),
    )


@blueprint.post("")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("counts.show")
def set_number(reference: str) -> Response:
    view = context.incident_of(reference)
    count_id = recounting.set_count_and_derive(
        context.engine(),
        view.id,
        kind=typed_kind(context.typed("kind")),
        value=typed_people(context.typed("value")),
        basis=context.typed("basis"),
        subject=context.typed("subject"),
        reason=context.typed("reason"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("counts.was_set", id=count_id)
    return flask.redirect(flask.url_for("counts.show", reference=reference))


def typed_kind(word: str) -> CountKind:
    """Return how sure a number is; refuse a form that does not say so."""
    if word not in set(CountKind):
        raise BadInput(field="kind", problem="say how sure the number is")
    return CountKind(word)


def typed_people(text: str) -> int:
    """Return a number of people, with or without commas."""
    plain = text.replace(",", "")
    if not (plain.isascii() and plain.isdecimal() and len(plain) <= 12):  # noqa: PLR2004 - more is no number of people
        raise BadInput(field="value", problem="write a whole number")
    return int(plain)
