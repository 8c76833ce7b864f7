"""The scope page: what was touched."""

from __future__ import annotations

from dataclasses import replace

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm, JobKind, ListRelation
from incident_app.services import inventory, jobs, list_views, lists, scopes
from incident_app.services.incidents import IncidentView
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("scope", __name__, url_prefix="/incidents/<reference>/scope")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    found = scopes.find_newest_scope(context.engine(), view.id)
    names = context.names_of_data()
    return incident_page(
        "scope/show.html",
        view,
        version=found[0] if found else None,
        scope=found[1] if found else None,
        stores=[
            (store.code, f"{names[store.code]} ({store.code})") for store in inventory.list_stores(context.engine())
        ],
        parties=[(party.code, names[party.code]) for party in inventory.list_parties(context.engine())],
        names=names,
        sources=list_views.sources(context.engine(), [entry.list_id for entry in found[1].lists] if found else []),
        causes=list(Cause),
        harms=list(Harm),
        jobs=jobs.list_jobs(context.engine(), view.id)[:3],
    )


@blueprint.post("/store")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_store(reference: str) -> Response:
    view = context.incident_of(reference)
    items = frozenset(flask.request.form.getlist("items"))
    entry = TouchedStore(
        store=context.typed("store"),
        items=items or None,
        touched_from=typed_moment(context.typed("touched_from"), field="touched_from"),
        touched_until=typed_moment(context.typed("touched_until"), field="touched_until"),
        certainty=_certainty(),
        reason=context.typed("reason") or None,
    )
    current = _current(view)
    kept = tuple(known for known in current.stores if known.store != entry.store)
    return _set(view, replace(current, stores=(*kept, entry)))


@blueprint.post("/party")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_party(reference: str) -> Response:
    view = context.incident_of(reference)
    entries = scopes.stores_at_party(context.engine(), context.typed("party"), certainty=_certainty())
    current = _current(view)
    kept = tuple(known for known in current.stores if known.store not in {entry.store for entry in entries})
    return _set(view, replace(current, stores=(*kept, *entries), cause=Cause.AT_PROCESSOR))


@blueprint.post("/list")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_list(reference: str) -> Response:
    view = context.incident_of(reference)
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    relation = context.typed("relation") or ListRelation.ADDS
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
        evidence_folder=context.parts().uploads.with_name("evidence"),
        actor=context.account().actor,
        now=context.now(),
    )
    entry = TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=ListRelation(relation),
        certainty=_certainty(),
        evidence_id=loaded.evidence_id,
    )
    current = _current(view)
    kept = tuple(known for known in current.lists if known.list_id != loaded.list_id)
    context.done("scope.list_loaded", matched=loaded.matched, unmatched=loaded.unmatched)
    return _set(view, replace(current, lists=(*kept, entry)))


@blueprint.post("/determine")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def determine(reference: str) -> Response:
    view = context.incident_of(reference)
    jobs.ask_for(
        context.engine(),
        JobKind.DETERMINE,
        incident_id=view.id,
        parameters={"designated_operator": context.parts().designated_operator},
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("scope.determination_asked")
    return flask.redirect(flask.url_for("impact.show", reference=reference))


def _certainty() -> Certainty:
    found = context.typed("certainty")
    if found not in set(Certainty):
        raise BadInput(field="certainty", problem="say how sure this is")
    return Certainty(found)


def _current(view: IncidentView) -> Scope:
    found = scopes.find_newest_scope(context.engine(), view.id)
    current = found[1] if found else Scope(harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNKNOWN)
    cause, harms = context.typed("cause"), frozenset(flask.request.form.getlist("harms"))
    if cause in set(Cause):
        current = replace(current, cause=Cause(cause))
    if harms and harms <= set(Harm):
        current = replace(current, harms=frozenset(Harm(word) for word in harms))
    return current


def _set(view: IncidentView, changed: Scope) -> Response:
    version = scopes.set_scope(
        context.engine(),
        view.id,
        changed,
        note=context.typed("reason") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("scope.set", version=version)
    return flask.redirect(flask.url_for("scope.show", reference=view.reference))
