"""Returned mail: the open items, the closed addresses, and what came back of the messages of one incident."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.returned_mail import BounceKind
from incident_app.services import bounces_by_hand, bounces_shown, incidents
from incident_app.services.bounces_shown import SHOWN_AT_ONCE
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

HIGHEST = 2**31 - 1
blueprint = flask.Blueprint("bounces", __name__)


@blueprint.get("/returned-mail")
@requires(Permission.DISPATCH_RUN)
def index() -> str:
    mine = incidents.list_incidents(context.engine(), context.account())
    items = bounces_shown.open_items(
        context.engine(), [view.id for view in mine], folder=context.parts().evidence, after=_after()
    )
    return flask.render_template(
        "bounces/index.html",
        items=items,
        total=bounces_shown.count_open_items(context.engine()),
        incidents=[(view.reference, f"{view.reference} {view.title}") for view in mine],
        after=_after(),
        next_after=items[-1].mail.id if len(items) == SHOWN_AT_ONCE else None,
    )


@blueprint.post("/returned-mail/<int:bounce_id>/match")
@requires(Permission.DISPATCH_RUN)
@shown_at("bounces.index")
def match(bounce_id: int) -> Response:
    view = context.incident_of(context.typed("incident"))
    bounces_by_hand.match_by_hand(
        context.engine(),
        view.id,
        bounce_id,
        context.typed("number"),
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("bounces.matched")
    return flask.redirect(flask.url_for("bounces.index"))


@blueprint.post("/returned-mail/<int:bounce_id>/set-aside")
@requires(Permission.DISPATCH_RUN)
@shown_at("bounces.index")
def set_aside(bounce_id: int) -> Response:
    bounces_by_hand.set_aside(
        context.engine(),
        bounce_id,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("bounces.set_aside_done")
    return flask.redirect(flask.url_for("bounces.index"))


@blueprint.get("/returned-mail/closed")
@requires(Permission.DISPATCH_RUN)
def closed() -> str:
    lifted = flask.request.args.get("lifted") == "yes"
    found = bounces_shown.list_suppressions(context.engine(), lifted=lifted, after=_after())
    return flask.render_template(
        "bounces/closed.html",
        rows=found,
        lifted=lifted,
        after=_after(),
        next_after=found[-1].id if len(found) == SHOWN_AT_ONCE else None,
    )


@blueprint.post("/returned-mail/closed/<int:suppression_id>/lift")
@requires(Permission.DISPATCH_RUN)
@shown_at("bounces.closed")
def lift(suppression_id: int) -> Response:
    bounces_by_hand.lift_suppression(
        context.engine(),
        suppression_id,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("bounces.lifted")
    return flask.redirect(flask.url_for("bounces.closed"))


@blueprint.get("/incidents/<reference>/returned-mail")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    word = flask.request.args.get("kind", "")
    kind = BounceKind(word) if word in set(BounceKind) else None
    wave = typed_number("wave") or None
    found = bounces_shown.returned_of(context.engine(), view.id, kind=kind, wave=wave, after=_after())
    return incident_page(
        "bounces/show.html",
        view,
        mails=found,
        counts=bounces_shown.counts_of(context.engine(), view.id, wave=wave),
        kind=kind,
        wave=wave,
        next_after=found[-1].id if len(found) == SHOWN_AT_ONCE else None,
    )


def _after() -> int:
    return typed_number("after")


def typed_number(name: str) -> int:
    """Return a number out of the address; what is none counts as none."""
    word = flask.request.args.get(name, "")
    return min(int(word), HIGHEST) if context.is_number(word) else 0
