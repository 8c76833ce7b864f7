"""The scope page: what was touched, version by version."""

from __future__ import annotations

from dataclasses import replace

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.scope_changes import StoreWithoutItems, with_party, with_store, without_list, without_store
from incident_app.domain.scopes import TouchedStore
from incident_app.domain.vocabulary import Cause, Harm, JobKind
from incident_app.services import commitment, inventory, involved, jobs, scope_views, scopes
from incident_app.web import context, scope_lists, scope_people
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.scope_blueprint import blueprint, change_scope, typed_certainty, typed_number
from incident_app.web.times import typed_moment

__all__ = ["blueprint", "scope_lists", "scope_people"]


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view, engine = context.incident_of(reference), context.engine()
    versions = scope_views.list_versions(engine, view.id)
    asked = flask.request.args.get("version", type=int)
    names = context.names_of_data()
    stores = [(store.code, f"{names[store.code]} ({store.code})") for store in inventory.list_stores(engine)]
    return incident_page(
        "scope/show.html",
        view,
        versions=versions,
        found=scope_views.show_scope(engine, view.id, version=asked) if versions else None,
        outside=involved.people_outside(engine, view.id),
        stores=stores,
        parties=[(party.code, names[party.code]) for party in inventory.list_parties(engine)],
        names=names,
        causes=list(Cause),
        not_a_leak=commitment.incident_policy(engine, view.id).not_a_leak,
        harms=list(Harm),
        jobs=jobs.list_jobs(engine, view.id, most=3),
    )


@blueprint.get("/compare")
@requires(Permission.INCIDENT_READ)
def compare(reference: str) -> str:
    view = context.incident_of(reference)
    before, after = (flask.request.args.get(name, type=int) or 0 for name in ("before", "after"))
    return incident_page(
        "scope/compare.html",
        view,
        before=before,
        after=after,
        difference=scope_views.compare_versions(context.engine(), view.id, before, after),
        versions=scope_views.list_versions(context.engine(), view.id),
        names=context.names_of_data(),
    )


@blueprint.get("/choose")
@requires(Permission.INCIDENT_READ)
def choose(reference: str) -> str:
    """Show the items of one store, all of them or those of one category chosen, to take some away."""
    view = context.incident_of(reference)
    code = flask.request.values.get("store", "")
    store = next((one for one in inventory.list_stores(context.engine()) if one.code == code), None)
    if store is None:
        raise NotFound(what="store", name=code)
    choices = [(item, ja if context.language() == "ja" else en) for item, ja, en in store.items]
    categories, names = scopes.categories_of_store(context.engine(), code), context.names_of_data()
    asked = flask.request.args.get("category", "")
    return incident_page(
        "scope/choose.html",
        view,
        store=store,
        choices=choices,
        checked=sorted(categories[asked]) if asked in categories else [item for item, _ in choices],
        categories=[(category, names[category]) for category in categories],
        category=asked,
    )


@blueprint.post("/choose")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.choose", names=context.names_of_data)
def add_chosen(reference: str) -> Response:
    view = context.incident_of(reference)
    chosen = frozenset(flask.request.form.getlist("items"))
    if not chosen:
        raise BadInput(field="items", problem="name at least one item, or none to take all of them")
    entry = replace(_entry(chosen), acquiring=bool(context.typed("acquiring")))
    beside = bool(context.typed("beside"))
    return change_scope(view, lambda current: with_store(current, entry, beside=beside))


@blueprint.post("/store")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_store(reference: str) -> Response:
    view = context.incident_of(reference)
    entry = _entry(frozenset(flask.request.form.getlist("items")))
    return change_scope(view, lambda current: with_store(current, entry))


def _entry(items: frozenset[str]) -> TouchedStore:
    store = context.typed("store")
    known = next((one for one in inventory.list_stores(context.engine()) if one.code == store), None)
    held = known.items if known is not None else ()
    if known is not None and not held and not items:
        raise StoreWithoutItems(field="store")
    everything = not items or items == {code for code, _, _ in held}
    return TouchedStore(
        store=store,
        items=None if everything else items,
        touched_from=typed_moment(context.typed("touched_from"), field="touched_from"),
        touched_until=typed_moment(context.typed("touched_until"), field="touched_until"),
        certainty=typed_certainty(),
        reason=context.typed("reason") or None,
        evidence_id=typed_number("evidence"),
        acquiring=scopes.is_input_page(context.engine(), store),
        key_compromised=bool(context.typed("key_compromised")),
    )


@blueprint.post("/party")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def add_party(reference: str) -> Response:
    view = context.incident_of(reference)
    entries = scopes.stores_at_party(
        context.engine(),
        context.typed("party"),
        certainty=typed_certainty(),
        touched_from=typed_moment(context.typed("touched_from"), field="touched_from"),
        touched_until=typed_moment(context.typed("touched_until"), field="touched_until"),
    )
    return change_scope(view, lambda current: with_party(current, entries))


@blueprint.post("/remove")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show", names=context.names_of_data)
def remove(reference: str) -> Response:
    """Take a store or a list out; that needs a reason."""
    view = context.incident_of(reference)
    kind, _, name = context.typed("entry").partition(":")
    if kind == "list" and context.is_number(name):
        return change_scope(view, lambda current: without_list(current, int(name)))
    return change_scope(view, lambda current: without_store(current, name))


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
