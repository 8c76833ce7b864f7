"""The page of people whom mail does not reach: worked off by post, telephone, portal; recorded and taken back."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.code_lists import Line, lines_of_list
from incident_app.domain.encodings import decode
from incident_app.domain.errors import BadInput
from incident_app.domain.unreached import ContactOutcome, ContactWay, NextChannel, UnreachedBecause
from incident_app.services import people_outside, unreached, unreached_contacts
from incident_app.services.accounts import names_by_actor
from incident_app.services.unreached import SHOWN_AT_ONCE, Wanted
from incident_app.services.unreached_contacts import Contact
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment

HIGHEST = 2**53
blueprint = flask.Blueprint("unreached", __name__, url_prefix="/incidents/<reference>/unreached")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    wanted, after = _wanted(), number_asked("after")
    rows = unreached.list_unreached(context.engine(), view.id, wanted, after=after)
    return incident_page(
        "unreached/show.html",
        view,
        rows=rows,
        done=unreached.completion(context.engine(), view.id),
        wanted=wanted,
        after=after,
        next_after=rows[-1].person_id if len(rows) == SHOWN_AT_ONCE else None,
        outside=people_outside.left_to_tell(context.engine(), view.id),
        ways=list(ContactWay),
        outcomes=list(ContactOutcome),
    )


@blueprint.post("/contacts")
@requires(Permission.DISPATCH_RUN)
@shown_at("unreached.show")
def record(reference: str) -> Response:
    view = context.incident_of(reference)
    way, outcome = context.typed("way"), context.typed("outcome")
    if way not in set(ContactWay) or outcome not in set(ContactOutcome):
        raise BadInput(field="way", problem="choose how the person was contacted and what came of it")
    at = typed_moment(context.typed("at"), field="at")
    found = unreached_contacts.record_contacts(
        context.engine(),
        view.id,
        listed("numbers"),
        Contact(
            way=ContactWay(way),
            outcome=ContactOutcome(outcome),
            at=at or context.now(),
            reason=context.typed("reason"),
        ),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("unreached.recorded", people=found.people, unchanged=found.unchanged)
    return flask.redirect(flask.url_for("unreached.show", reference=reference))


@blueprint.get("/contacts")
@requires(Permission.INCIDENT_READ)
def contacts(reference: str) -> str:
    view = context.incident_of(reference)
    rows = unreached_contacts.list_records(context.engine(), view.id, before=number_asked("before"))
    return incident_page(
        "unreached/contacts.html",
        view,
        rows=rows,
        names=names_by_actor(context.engine()),
        next_before=rows[-1].record if len(rows) == unreached_contacts.SHOWN_AT_ONCE else None,
    )


@blueprint.post("/contacts/<int:record_number>/take-back")
@requires(Permission.DISPATCH_RUN)
@shown_at("unreached.contacts")
def take_back(reference: str, record_number: int) -> Response:
    view = context.incident_of(reference)
    number = unreached_contacts.take_back(
        context.engine(),
        view.id,
        record_number,
        numbers=context.typed("numbers").split(),
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("unreached.taken_back", people=number)
    return flask.redirect(flask.url_for("unreached.contacts", reference=reference))


@blueprint.post("/export")
@requires(Permission.RECIPIENTS_READ)
@shown_at("unreached.show")
def export(reference: str) -> Response:
    view = context.incident_of(reference)
    text = unreached.export_unreached(
        context.engine(),
        view.id,
        _wanted(),
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    headers = {"Content-Disposition": "attachment; filename=unreached.csv"}
    return flask.Response(text.encode("utf-8-sig"), mimetype="text/csv", headers=headers)


def listed(field: str) -> tuple[Line, ...]:
    """Return what was typed into a field and handed in as a file, as the lines of a list."""
    typed = tuple(Line(number=place, text=word) for place, word in enumerate(context.typed(field).split(), start=1))
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    return typed + (lines_of_list(decode(content)) if content else ())


def number_asked(name: str) -> int:
    """Return a number out of the address; what is none counts as none."""
    word = flask.request.args.get(name, "")
    return min(int(word), HIGHEST) if context.is_number(word) else 0


def _wanted() -> Wanted:
    channel, because = (flask.request.values.get(name, "") for name in ("channel", "because"))
    return Wanted(
        channel=NextChannel(channel) if channel in set(NextChannel) else None,
        because=UnreachedBecause(because) if because in set(UnreachedBecause) else None,
    )
