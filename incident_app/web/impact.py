"""The impact pages: who is affected, with which data, and why one person is."""

from __future__ import annotations

import flask

from incident_app.domain.access import Permission
from incident_app.domain.vocabulary import Certainty
from incident_app.services import impact_views, jobs, people
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page

blueprint = flask.Blueprint("impact", __name__, url_prefix="/incidents/<reference>/impact")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    version = flask.request.args.get("version", type=int)
    found = impact_views.get_impact(context.engine(), view.id, version)
    difference = None
    if found is not None and found.version > 1:
        difference = impact_views.diff_versions(context.engine(), view.id, found.version - 1, found.version)
    return incident_page(
        "impact/show.html",
        view,
        impact=found,
        difference=difference,
        names=context.names_of_data(),
        standings=people.standings(context.engine(), view.id),
        jobs=jobs.list_jobs(context.engine(), view.id, most=3),
    )


@blueprint.get("/people")
@requires(Permission.RECIPIENTS_READ)
def list_people(reference: str) -> str:
    view = context.incident_of(reference)
    given = flask.request.args
    version, ring, item = given.get("version", type=int), given.get("certainty"), given.get("item") or None
    found = impact_views.get_impact(context.engine(), view.id, version)
    rows = found and impact_views.affected_page(
        context.engine(),
        view.id,
        version=found.version,
        after=given.get("after") or None,
        certainty=Certainty(ring) if ring in list(Certainty) else None,
        item=item,
    )
    return incident_page(
        "impact/people.html",
        view,
        rows=rows,
        impact=found,
        chosen={name: value for name, value in given.items() if name in {"version", "certainty", "item"} and value},
        names=context.names_of_data(),
    )


@blueprint.get("/person")
@requires(Permission.RECIPIENTS_READ)
@shown_at("impact.show")
def person(reference: str) -> str:
    view = context.incident_of(reference)
    number = flask.request.args.get("number", "").strip()
    return incident_page(
        "impact/person.html", view, found=impact_views.explain_customer(context.engine(), view.id, number)
    )
