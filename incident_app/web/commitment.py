"""The Commitment page: each part of the policy's promise, what discharged it, or what is missing."""

from __future__ import annotations

import re

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.policies import JointUse
from incident_app.domain.words import Words
from incident_app.services import commitment, commitment_history, exports
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.timeline import MEDIA, download
from incident_app.web.words import phrase

blueprint = flask.Blueprint("commitment", __name__, url_prefix="/incidents/<reference>/commitment")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    policy = commitment.incident_policy(context.engine(), view.id)

    def group_items(group: JointUse, listed: bool) -> str:
        names = [
            context.named_in(Words(ja=item.name_ja, en=item.name_en))
            for item in policy.items
            if (item.code in group.items) is listed
        ]
        return phrase("page.comma", context.language()).join(names)

    rows = commitment.commitment_rows(context.engine(), view.id)
    histories = commitment_history.commitment_history(context.engine(), view.id)
    return incident_page(
        "commitment/show.html",
        view,
        rows=rows,
        policy=policy,
        group_items=group_items,
        histories={(history.clause, history.part): history.entries for history in histories},
    )


@blueprint.post("/settle")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("commitment.show")
def settle(reference: str) -> Response:
    view = context.incident_of(reference)
    number = commitment.discharge_promises(context.engine(), view.id, actor=context.account().actor, now=context.now())
    context.done("commitment.settled", number=number)
    return flask.redirect(flask.url_for("commitment.show", reference=reference))


@blueprint.post("/confirm/<clause>/<part>")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("commitment.show")
def confirm(reference: str, clause: str, part: str) -> Response:
    view = context.incident_of(reference)
    kept, evidence = context.typed("kept"), context.typed("evidence")
    if kept not in {"yes", "no"}:
        raise BadInput(field="kept", problem="choose yes or no")
    if evidence and not re.fullmatch("[0-9]{1,18}", evidence):
        raise NotFound(what="evidence", name=evidence)
    commitment.confirm_promise(
        context.engine(),
        view.id,
        clause,
        part,
        kept=kept == "yes",
        note=context.typed("note"),
        evidence_id=int(evidence) if evidence else None,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("commitment.confirmed")
    return flask.redirect(flask.url_for("commitment.show", reference=reference))


@blueprint.post("/export")
@requires(Permission.TIMELINE_EXPORT)
@shown_at("commitment.show")
def export(reference: str) -> flask.Response:
    view = context.incident_of(reference)
    form = context.typed("format")
    if form not in MEDIA:
        raise BadInput(field="format", problem="choose csv, json or markdown")
    text = exports.export_commitment(
        context.engine(),
        view.id,
        form,
        language=context.language(),
        purpose=context.typed("purpose"),
        actor=context.account().actor,
        now=context.now(),
    )
    return download(text, form, f"{reference}-commitment")
