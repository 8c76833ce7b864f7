"""People outside the inventory, and evidence, on pages."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.delivery import Standing
from incident_app.domain.errors import BadInput
from incident_app.domain.involved import Outsider
from incident_app.domain.vocabulary import InvolvedRole
from incident_app.services import evidence, exports, inventory, involved, people, people_outside
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.scope_blueprint import blueprint, typed_number
from incident_app.web.times import typed_moment


@blueprint.get("/people")
@requires(Permission.INCIDENT_READ)
def show_people(reference: str) -> str:
    view = context.incident_of(reference)
    return incident_page(
        "scope/people.html",
        view,
        people=involved.list_people(context.engine(), view.id),
        outside=involved.people_outside(context.engine(), view.id),
        not_counted=people_outside.not_counted(context.engine(), view.id),
        left_to_tell=people_outside.left_to_tell(context.engine(), view.id),
        roles=list(InvolvedRole),
        items=_items(),
        names=context.names_of_data(),
    )


def _items() -> list[tuple[str, str]]:
    """Return the items that stores hold, each once, as choices."""
    found: dict[str, str] = {}
    for store in inventory.list_stores(context.engine()):
        for code, ja, en in store.items:
            found.setdefault(code, ja if context.language() == "ja" else en)
    return list(found.items())


@blueprint.post("/people")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show_people", names=context.names_of_data)
def add_person(reference: str) -> Response:
    view = context.incident_of(reference)
    role = context.typed("role")
    if role not in set(InvolvedRole):
        raise BadInput(field="role", problem="choose a role")
    person = Outsider(
        role=InvolvedRole(role),
        name=context.typed("name"),
        contact=context.typed("contact"),
        items=frozenset(flask.request.form.getlist("items")),
    )
    involved.add_person(context.engine(), view.id, person, actor=context.account().actor, now=context.now())
    context.done("involved.added")
    return _back(reference)


@blueprint.post("/people/<int:person_id>/told")
@requires(Permission.DISPATCH_RUN)
@shown_at("scope.show_people", names=context.names_of_data)
def told(reference: str, person_id: int) -> Response:
    view = context.incident_of(reference)
    standing = context.typed("standing")
    if standing not in set(Standing):
        raise BadInput(field="standing", problem="choose how it stands with this person")
    people.record_told(
        context.engine(),
        view.id,
        [],
        outside=[person_id],
        standing=Standing(standing),
        how=context.typed("how") or "phone",
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("dispatch.told", people=1)
    return _back(reference)


@blueprint.post("/people/to-tell.csv")
@requires(Permission.RECIPIENTS_READ)
@shown_at("scope.show_people", names=context.names_of_data)
def to_tell(reference: str) -> Response:
    """Names and contacts of those who are to be told by hand; that they were exported, and why, is recorded."""
    view = context.incident_of(reference)
    text = exports.export_to_tell_by_hand(
        context.engine(),
        view.id,
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    headers = {"Content-Disposition": "attachment; filename=to-tell-by-hand.csv", "Cache-Control": "no-store"}
    return Response(text, mimetype="text/csv", headers=headers)


@blueprint.post("/people/<int:person_id>/deleted")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show_people")
def confirm_deletion(reference: str, person_id: int) -> Response:
    view = context.incident_of(reference)
    involved.confirm_deletion(
        context.engine(),
        view.id,
        person_id,
        confirmed_at=typed_moment(context.typed("confirmed_at"), field="confirmed_at") or context.now(),
        evidence_id=typed_number("evidence"),
        note=context.typed("note") or None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("involved.confirmed")
    return _back(reference)


@blueprint.post("/people/<int:person_id>/erase")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show_people")
def erase_person(reference: str, person_id: int) -> Response:
    view = context.incident_of(reference)
    if context.typed("sure") != "yes":
        raise BadInput(field="sure", problem="tick that this cannot be undone")
    involved.erase_person(context.engine(), view.id, person_id, actor=context.account().actor, now=context.now())
    context.done("involved.erased")
    return _back(reference)


def _back(reference: str) -> Response:
    return flask.redirect(flask.url_for("scope.show_people", reference=reference))


@blueprint.get("/evidence")
@requires(Permission.INCIDENT_READ)
def show_evidence(reference: str) -> str:
    view = context.incident_of(reference)
    found = evidence.list_evidence(context.engine(), view.id, folder=context.parts().evidence)
    return incident_page("scope/evidence.html", view, found=found)


@blueprint.post("/evidence")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("scope.show_evidence")
def add_evidence(reference: str) -> Response:
    view = context.incident_of(reference)
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    if not content:
        raise BadInput(field="file", problem="choose a file")
    number = evidence.add_evidence(
        context.engine(),
        view.id,
        content,
        folder=context.parts().evidence,
        file_name=(upload.filename if upload else None) or "evidence",
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("evidence_page.kept", number=number)
    return flask.redirect(flask.url_for("scope.show_evidence", reference=reference))
