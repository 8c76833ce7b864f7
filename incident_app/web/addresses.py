"""The page of corrected addresses: by person or by list, with the history of what was corrected."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.address_fixes import AddressSource
from incident_app.domain.errors import BadInput
from incident_app.services import address_fixes
from incident_app.services.address_fixes import Corrected, Why
from incident_app.services.bounces_shown import SHOWN_AT_ONCE
from incident_app.web import context
from incident_app.web.bounces import typed_number
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("addresses", __name__, url_prefix="/incidents/<reference>/addresses")


@blueprint.get("")
@requires(Permission.DISPATCH_RUN)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    found = address_fixes.list_corrections(context.engine(), view.id, after=typed_number("after"))
    return incident_page(
        "addresses/show.html",
        view,
        corrections=found,
        sources=list(AddressSource),
        next_after=found[-1].id if len(found) == SHOWN_AT_ONCE else None,
    )


@blueprint.post("")
@requires(Permission.DISPATCH_RUN)
@shown_at("addresses.show")
def correct(reference: str) -> Response:
    view = context.incident_of(reference)
    done = address_fixes.correct_address(
        context.engine(),
        view.id,
        context.typed("number"),
        context.typed("address"),
        _why(),
        address_key=context.parts().address_key,
        actor=context.account().actor,
        now=context.now(),
    )
    return _done(reference, done)


@blueprint.post("/list")
@requires(Permission.DISPATCH_RUN)
@shown_at("addresses.show")
def load(reference: str) -> Response:
    view = context.incident_of(reference)
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    if not content:
        raise BadInput(field="file", problem="choose a CSV file")
    done = address_fixes.correct_from_file(
        context.engine(),
        view.id,
        content,
        _why(),
        address_key=context.parts().address_key,
        actor=context.account().actor,
        now=context.now(),
    )
    return _done(reference, done)


def _why() -> Why:
    return Why(
        source=context.typed("source"),
        reason=context.typed("reason"),
        despite_complaint=bool(context.typed("despite_complaint")),
    )


def _done(reference: str, done: Corrected) -> Response:
    context.done("addresses.corrected", people=f"{done.people:,}", unchanged=f"{done.unchanged:,}")
    return flask.redirect(flask.url_for("addresses.show", reference=reference))
