"""Records of one person: proposals with masked values side by side, confirming and undoing."""

from __future__ import annotations

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.merging import MergeState
from incident_app.services import incidents, merge_proposals, recounting
from incident_app.services.merging import Merged
from incident_app.web import context
from incident_app.web.context import requires, shown_at

blueprint = flask.Blueprint("merging", __name__, url_prefix="/people/merges")


@blueprint.get("")
@requires(Permission.RECIPIENTS_READ)
def index() -> str:
    word = flask.request.args.get("state", MergeState.OPEN.value)
    state = MergeState(word) if word in set(MergeState) else MergeState.OPEN
    after = flask.request.args.get("after", default=0, type=int)
    found = merge_proposals.list_proposals(context.engine(), state=state, after=after)
    return flask.render_template(
        "merging/index.html",
        proposals=found,
        state=state,
        after=after,
        states=tuple(MergeState),
        fields=merge_proposals.FIELDS,
        next_after=found[-1].id if len(found) == merge_proposals.PAGE else None,
    )


@blueprint.post("/search")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("merging.index")
def propose() -> Response:
    found = merge_proposals.propose(context.engine(), actor=context.account().actor, now=context.now())
    key = "merging.looked" if found.is_complete else "merging.looked_more"
    context.done(key, new=f"{found.new:,}", known=f"{found.known:,}")
    return flask.redirect(flask.url_for("merging.index"))


@blueprint.post("/by-hand")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("merging.index")
def propose_by_hand() -> Response:
    proposal_id = merge_proposals.propose_by_hand(
        context.engine(),
        context.typed("number"),
        context.typed("other_number"),
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("merging.proposed", id=proposal_id)
    return flask.redirect(flask.url_for("merging.index"))


@blueprint.post("/<int:proposal_id>/confirm")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("merging.index")
def confirm(proposal_id: int) -> Response:
    merged = recounting.confirm_and_derive(
        context.engine(),
        proposal_id,
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    return _told("merging.confirmed", merged)


@blueprint.post("/undo/<int:merge_id>")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("merging.index")
def undo(merge_id: int) -> Response:
    merged = recounting.undo_and_derive(
        context.engine(),
        merge_id,
        reason=context.typed("reason"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    return _told("merging.undone", merged)


@blueprint.post("/<int:proposal_id>/dismiss")
@requires(Permission.OBLIGATION_DECIDE)
@shown_at("merging.index")
def dismiss(proposal_id: int) -> Response:
    merge_proposals.dismiss(
        context.engine(),
        proposal_id,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("merging.dismissed")
    return flask.redirect(flask.url_for("merging.index"))


def _told(key: str, merged: Merged) -> Response:
    """Say what a merge changed, for the incidents that this person belongs to."""
    context.done(key)
    mine = {view.id for view in incidents.list_incidents(context.engine(), context.account())}
    for effect in merged.effects:
        if effect.incident_id in mine:
            context.done(
                "merging.effect",
                reference=effect.reference,
                before=f"{effect.people_before:,}",
                after=f"{effect.people_after:,}",
                notices_before=f"{effect.notices_before:,}",
                notices_after=f"{effect.notices_after:,}",
            )
    return flask.redirect(flask.url_for("merging.index"))
