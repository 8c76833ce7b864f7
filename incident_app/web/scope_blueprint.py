"""What the pages of a scope share: their addresses, what was typed, and setting the next version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import flask
from werkzeug.wrappers import Response

from incident_app.domain.errors import BadInput
from incident_app.domain.scope_changes import NOTHING_YET
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import Cause, Certainty, Harm
from incident_app.services import scope_edits, scopes
from incident_app.services.incidents import IncidentView
from incident_app.services.preview import preview_scope
from incident_app.web import context
from incident_app.web.page import incident_page

NOT_KEPT = ("csrf_token", "preview")

blueprint = flask.Blueprint("scope", __name__, url_prefix="/incidents/<reference>/scope")


def typed_certainty() -> Certainty:
    """Return the certainty that was chosen; refuse a form without one."""
    found = context.typed("certainty")
    if found not in set(Certainty):
        raise BadInput(field="certainty", problem="say how sure this is")
    return Certainty(found)


def typed_number(field: str) -> int | None:
    """Return a number that was typed, or None for an empty field."""
    text = context.typed(field)
    if not text:
        return None
    if not (text.isascii() and context.is_number(text)):
        raise BadInput(field=field, problem="write a number")
    return int(text)


def _as_typed(current: Scope) -> Scope:
    """Return a scope with cause and harms as the form at hand says them."""
    cause, harms = context.typed("cause"), frozenset(flask.request.form.getlist("harms"))
    if cause in set(Cause):
        current = replace(current, cause=Cause(cause))
    if harms and harms <= set(Harm):
        current = replace(current, harms=frozenset(Harm(word) for word in harms))
    return current


def change_scope(view: IncidentView, change: Callable[[Scope], Scope]) -> Response:
    """Set the next version and show it; or, when that is asked for, only show what it would do."""
    if "preview" in flask.request.form:
        found = scopes.find_newest_scope(context.engine(), view.id)
        return _preview(view, change(_as_typed(found[1] if found else NOTHING_YET)))
    version = scope_edits.change_scope(
        context.engine(),
        view.id,
        lambda current: change(_as_typed(current)),
        note=context.typed("reason") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("scope.set", version=version)
    return flask.redirect(flask.url_for("scope.show", reference=view.reference))


def _preview(view: IncidentView, changed: Scope) -> Response:
    """Show the effect of a scope beside what was typed, which can then be sent as it is."""
    parts = context.parts()
    found = preview_scope(
        parts.engine, parts.preview_cache, view.id, changed, designated_operator=parts.designated_operator
    )
    typed = [(name, value) for name, value in flask.request.form.items(multi=True) if name not in NOT_KEPT]
    page = incident_page("scope/preview.html", view, found=found, typed=typed, names=context.names_of_data())
    return flask.make_response(page)
