"""Messages with other companies, and the packs of customers who entrusted data: pages, print and JSON."""

from __future__ import annotations

from datetime import datetime

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.parties import NINE_ITEMS, Message
from incident_app.domain.tenant_packs import TenantPack
from incident_app.domain.vocabulary import MessageDirection, MessageKind
from incident_app.rendering.tenant_packs import pack_document
from incident_app.services import contracts, entrusting, parties, recounting
from incident_app.services.tenant_packs import tenant_pack
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.counts import typed_kind, typed_people
from incident_app.web.page import incident_page
from incident_app.web.scope_blueprint import typed_number
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("parties", __name__, url_prefix="/incidents/<reference>/parties")
TO_RECORD = tuple(kind for kind in MessageKind if kind is not MessageKind.TENANT_DATA_SHEET)
"""A data sheet is recorded beside the pack that it told."""


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    language = context.language()
    customers = entrusting.list_entrusting(context.engine(), view.id)
    companies = [(code, ja if language == "ja" else en) for code, ja, en in parties.parties_of(context.engine())]
    return incident_page(
        "parties/show.html",
        view,
        messages=parties.list_messages(context.engine(), view.id),
        customers=customers,
        persons=entrusting.entrusting_people(context.engine(), view.id),
        companies=[("", "−"), *companies],
        chosen=[("", "−"), *((row.customer_number, row.customer_number) for row in customers)],
        kinds=TO_RECORD,
        ways=tuple(MessageDirection),
        nine=[(number, f"{number} {context.named_in(words)}") for number, words in NINE_ITEMS.items()],
    )


@blueprint.post("")
@requires(Permission.INCIDENT_WRITE)
@shown_at("parties.show")
def record(reference: str) -> Response:
    view = context.incident_of(reference)
    kind, way = context.typed("kind"), context.typed("direction")
    if kind not in set(TO_RECORD):
        raise BadInput(field="kind", problem="choose what kind of message it was")
    if way not in set(MessageDirection):
        raise BadInput(field="direction", problem="choose which way the message went")
    _record(
        view.id,
        Message(
            kind=MessageKind(kind),
            direction=MessageDirection(way),
            at=_typed_at(),
            party=context.typed("party") or None,
            customer=context.typed("customer") or None,
            items_known=frozenset(flask.request.form.getlist("items_known")),
            text=context.typed("text"),
            evidence_id=typed_number("evidence"),
            starts_clock=context.typed("starts_clock") == "yes",
        ),
    )
    context.done("parties.recorded")
    return flask.redirect(flask.url_for("parties.show", reference=reference))


@blueprint.get("/<public_id>")
@requires(Permission.INCIDENT_READ)
def show_pack(reference: str, public_id: str) -> str:
    view = context.incident_of(reference)
    pack = _pack(reference, public_id)
    return incident_page("parties/pack.html", view, pack=pack, public_id=public_id, offer=_offer())


@blueprint.get("/<public_id>/print")
@requires(Permission.INCIDENT_READ)
def print_pack(reference: str, public_id: str) -> str:
    return flask.render_template("parties/print.html", pack=_pack(reference, public_id))


@blueprint.get("/<public_id>/json")
@requires(Permission.INCIDENT_READ)
def pack_as_json(reference: str, public_id: str) -> Response:
    return flask.jsonify(pack_document(_pack(reference, public_id)))


@blueprint.post("/<public_id>/sent")
@requires(Permission.INCIDENT_WRITE)
@shown_at("parties.show_pack")
def record_sheet(reference: str, public_id: str) -> Response:
    view = context.incident_of(reference)
    _record(
        view.id,
        Message(
            kind=MessageKind.TENANT_DATA_SHEET,
            direction=MessageDirection.OUTGOING,
            at=_typed_at(),
            customer=entrusting.number_of(context.engine(), view.id, public_id),
            items_known=frozenset(flask.request.form.getlist("items_known")),
            text=context.typed("text"),
            evidence_id=typed_number("evidence"),
        ),
        offers_report=context.typed("offer") == "yes",
    )
    context.done("parties.sheet_recorded")
    return flask.redirect(flask.url_for("parties.show_pack", reference=reference, public_id=public_id))


@blueprint.post("/<public_id>/count")
@requires(Permission.IMPACT_DETERMINE)
@shown_at("parties.show_pack")
def set_number(reference: str, public_id: str) -> Response:
    view = context.incident_of(reference)
    recounting.set_count_and_derive(
        context.engine(),
        view.id,
        kind=typed_kind(context.typed("kind")),
        value=typed_people(context.typed("value")),
        basis=context.typed("basis"),
        subject=_pack(reference, public_id).count_subject,
        reason=context.typed("reason"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("parties.counted")
    return flask.redirect(flask.url_for("parties.show_pack", reference=reference, public_id=public_id))


@blueprint.post("/<public_id>/contract")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("parties.show_pack")
def record_contract(reference: str, public_id: str) -> Response:
    view = context.incident_of(reference)
    contracts.record_contract(
        context.engine(),
        view.id,
        entrusting.number_of(context.engine(), view.id, public_id),
        notice_hours=typed_number("hours"),
        reference=context.typed("contract"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("parties.contract_recorded")
    return flask.redirect(flask.url_for("parties.show_pack", reference=reference, public_id=public_id))


def _record(incident_id: IncidentId, message: Message, *, offers_report: bool = False) -> None:
    parties.record_message(
        context.engine(),
        incident_id,
        message,
        offers_report=offers_report,
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )


def _typed_at() -> datetime:
    at = typed_moment(context.typed("at"), field="at")
    if at is None:
        raise BadInput(field="at", problem="say when the message went")
    return at


def _pack(reference: str, public_id: str) -> TenantPack:
    view = context.incident_of(reference)
    number = entrusting.number_of(context.engine(), view.id, public_id)
    return tenant_pack(context.engine(), view.id, number, offers_report=_offer(), now=context.now())


def _offer() -> bool:
    return flask.request.args.get("offer") == "yes"
