"""The page of public notice: what was published with which desk, whom it covers, and what was withdrawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import date

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.publications import Desk, Published
from incident_app.services import people, publications
from incident_app.services.publications_cover import Named, cover_people
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment

MOST_IN_A_REQUEST = 20_000
"""People who are looked through while somebody waits for a page; more of them from the command line."""
blueprint = flask.Blueprint("publications", __name__, url_prefix="/incidents/<reference>/publications")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    standings = people.standings(context.engine(), view.id)
    return incident_page(
        "publications/show.html",
        view,
        publications=publications.list_publications(context.engine(), view.id, now=context.now()),
        untold=standings.get(Standing.TO_INFORM, 0) + standings.get(Standing.NOT_REACHED, 0),
        most=MOST_IN_A_REQUEST,
    )


@blueprint.post("")
@requires(Permission.DISPATCH_RUN)
@shown_at("publications.show")
def add(reference: str) -> Response:
    view = context.incident_of(reference)
    desk = Desk(phone=context.typed("phone"), hours=context.typed("hours"), until=typed_day("until"))
    publications.add_publication(
        context.engine(),
        view.id,
        Published(
            place=context.typed("place"),
            url=context.typed("url"),
            published_at=typed_moment(context.typed("published_at"), field="published_at") or context.now(),
            desk=desk,
        ),
        text=context.typed("text"),
        actor=context.account().actor,
        now=context.now(),
    )
    if desk.is_given:
        context.done("publications.added")
    else:
        context.done("publications.added_without_desk")
    return _back(reference)


@blueprint.post("/<int:version>/cover")
@requires(Permission.DISPATCH_RUN)
@shown_at("publications.show")
def cover(reference: str, version: int) -> Response:
    view = context.incident_of(reference)
    numbers = tuple(context.typed("numbers").split())
    if not numbers:
        _check_size(people.standings(context.engine(), view.id))
    done = cover_people(
        context.engine(),
        view.id,
        version,
        named=Named(numbers=numbers) if numbers else None,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("publications.covered", people=f"{done.people:,}", left_out=f"{done.left_out:,}")
    return _back(reference)


@blueprint.post("/<int:version>/withdraw")
@requires(Permission.DISPATCH_RUN)
@shown_at("publications.show")
def withdraw(reference: str, version: int) -> Response:
    view = context.incident_of(reference)
    number = publications.withdraw_publication(
        context.engine(),
        view.id,
        version,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("publications.withdrawn", people=f"{number:,}")
    return _back(reference)


def _check_size(standings: Mapping[Standing, int]) -> None:
    untold = standings.get(Standing.TO_INFORM, 0) + standings.get(Standing.NOT_REACHED, 0)
    if untold > MOST_IN_A_REQUEST:
        raise BadInput(field="numbers", problem="so many people are covered from the command line")


def typed_day(field: str) -> date | None:
    """Read a day that somebody typed; None for an empty field."""
    text = unicodedata.normalize("NFKC", context.typed(field))
    if not text:
        return None
    try:
        return date.fromisoformat(text.replace("/", "-"))
    except ValueError:
        raise BadInput(field=field, problem="write a day like 2026-11-24") from None


def _back(reference: str) -> Response:
    return flask.redirect(flask.url_for("publications.show", reference=reference))
