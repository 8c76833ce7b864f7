"""The page from which outcomes per recipient are exported: the sums of every wave, and the form that asks why."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import flask

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput
from incident_app.domain.ids import CampaignId
from incident_app.services import accounts, outcomes, waves
from incident_app.services.outcomes import Addresses, Wanted
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.words import phrase

MOST_ON_A_PAGE = 100_000
"""Rows that a page hands out at once; more of them come from the command line."""
IN_MEMORY = 8 * 1024 * 1024
PIECE = 1 << 16
MARK = "\ufeff".encode()
"""A spreadsheet needs the mark to read Japanese."""
MEDIA = {"csv": "text/csv", "json": "application/json"}
blueprint = flask.Blueprint("outcomes", __name__, url_prefix="/incidents/<reference>/outcomes")


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    found = waves.list_campaigns(context.engine(), view.id)
    named = [(wave.id, phrase("dispatch.wave", context.language(), number=wave.wave)) for wave in found]
    shown = [word for word in Addresses if word is not Addresses.FULL or _may_see_all()]
    return incident_page(
        "outcomes/show.html",
        view,
        waves=found,
        choices=[("", phrase("outcomes.whole_incident", context.language())), *named],
        addresses=shown,
    )


@blueprint.post("")
@requires(Permission.RECIPIENTS_READ)
@shown_at("outcomes.show")
def export(reference: str) -> flask.Response:
    view = context.incident_of(reference)
    form, shown, chosen = context.typed("format"), context.typed("addresses"), context.typed("wave")
    if form not in MEDIA:
        raise BadInput(field="format", problem="choose csv or json")
    if shown not in set(Addresses):
        raise BadInput(field="addresses", problem="choose how much of the addresses is shown")
    if Addresses(shown) is Addresses.FULL:
        accounts.require(context.account(), Permission.DISPATCH_RUN)
    number = int(chosen) if context.is_number(chosen) else None
    wave = waves.get_wave_of(context.engine(), view.id, CampaignId(number)) if number is not None else None
    found = [wave] if wave else waves.list_campaigns(context.engine(), view.id)
    if sum(one.people for one in found) > MOST_ON_A_PAGE:
        raise BadInput(field="wave", problem="so many rows are exported from the command line")
    wanted = Wanted(
        incident_id=view.id,
        campaign_id=wave.id if wave else None,
        form=form,
        addresses=Addresses(shown),
        message_domain=context.parts().message_domain,
    )
    return _written(wanted, f"{reference}-outcomes.{form}")


def _written(wanted: Wanted, name: str) -> flask.Response:
    """Write the file aside, then hand it over: what could not be recorded is never sent."""
    with ExitStack() as unless_sent:
        file = unless_sent.enter_context(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))
        if wanted.form == "csv":
            file.write(MARK)
        outcomes.write_outcomes(
            context.engine(),
            wanted,
            file.write,
            purpose=context.typed("purpose"),
            actor=context.account().actor,
            now=context.now(),
        )
        file.seek(0)
        unless_sent.pop_all()
    answer = flask.Response(
        _pieces(file),
        mimetype=MEDIA[wanted.form],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    answer.call_on_close(file.close)
    return answer


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


def _may_see_all() -> bool:
    return Permission.DISPATCH_RUN in context.account().permissions
