"""Lists of customers on pages: loading them, how they were matched, and which rows named nobody."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.encodings import Encoding
from incident_app.domain.errors import BadInput
from incident_app.domain.lists import Reading, by_profile, column_use
from incident_app.domain.scope_changes import with_list
from incident_app.domain.scopes import TouchedList
from incident_app.domain.vocabulary import Certainty, ListRelation
from incident_app.services import list_views, lists, profiles, scopes
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.scope_blueprint import blueprint, change_scope, typed_certainty


@blueprint.get("/lists")
@requires(Permission.INCIDENT_READ)
def show_lists(reference: str) -> str:
    view = context.incident_of(reference)
    found = scopes.find_newest_scope(context.engine(), view.id)
    names = context.names_of_data()
    return incident_page(
        "scope/lists.html",
        view,
        lists=list_views.lists_of(context.engine(), view.id),
        profiles=[(name, name) for name in profiles.profile_names(context.parts().profiles)],
        encodings=[(code, code.upper()) for code in Encoding],
        pages=[(entry.store, names[entry.store]) for entry in found[1].stores if entry.acquiring] if found else [],
    )


@blueprint.get("/lists/<int:list_id>/unmatched.csv")
@requires(Permission.INCIDENT_READ)
def unmatched(reference: str, list_id: int) -> flask.Response:
    view = context.incident_of(reference)
    parts = list_views.unmatched_csv(context.engine(), view.id, list_id)
    headers = {"Content-Disposition": f"attachment; filename=unmatched-{list_id}.csv"}
    return flask.Response(parts, mimetype="text/csv", headers=headers)


@blueprint.post("/list")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_list(reference: str) -> Response:
    return _load(reference)


@blueprint.post("/lists")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show_lists", names=context.names_of_data)
def load_list(reference: str) -> Response:
    return _load(reference)


def _load(reference: str) -> Response:
    view = context.incident_of(reference)
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    relation, certainty = context.typed("relation") or ListRelation.ADDS, typed_certainty()
    if not content:
        raise BadInput(field="file", problem="choose a CSV file")
    if relation not in set(ListRelation):
        raise BadInput(field="relation", problem="choose what the list does")
    loaded = lists.load_list(
        context.engine(),
        view.id,
        content,
        source=context.typed("source") or "upload",
        address_key=context.parts().address_key,
        how=_reading(),
        evidence_folder=context.parts().evidence,
        allow_empty=bool(context.typed("allow_empty")),
        match_again=bool(context.typed("match_again")),
        actor=context.account().actor,
        now=context.now(),
    )
    word = ListRelation(relation)
    entry = TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=word,
        certainty=Certainty.RULED_OUT if word is ListRelation.RULES_OUT else certainty,
        evidence_id=loaded.evidence_id,
        store=context.typed("page") or None,
    )
    context.done("scope.list_loaded", matched=loaded.matched, unmatched=loaded.unmatched)
    if loaded.known_more_since:
        context.done("scope.known_more")
    return change_scope(view, lambda current: with_list(current, entry))


def _reading() -> Reading:
    lines, name = context.typed("column").split(), context.typed("profile")
    reading = Reading(
        columns=tuple(column_use(line) for line in lines),
        encoding=context.typed("encoding") or None,
        has_header=not context.typed("no_header"),
    )
    return by_profile(reading, profiles.get_profile(context.parts().profiles, name)) if name else reading
