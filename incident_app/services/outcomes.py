"""Outcomes per recipient, written out row by row: who was told of what, when, by which message, and what came of it.

The sum is recounted from the very rows that are written: planned = sent + failed + skipped + in doubt + waiting (F13).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignStatus, DeliveryState, DeliveryTotals
from incident_app.domain.digests import ContentDigest, canonical_text, digest_of, utc_text
from incident_app.domain.errors import BadInput, IncidentAppError
from incident_app.domain.events import ExportMade
from incident_app.domain.ids import Actor, CampaignId, IncidentId
from incident_app.domain.notices import reference_code
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.outbox import Campaign
from incident_app.persistence.outcomes import (
    LastAttempt,
    LastReturn,
    MessageRow,
    PersonRow,
    messages_of,
    people_in_no_message,
)
from incident_app.rendering.tabular import csv_lines
from incident_app.services.bounces_shown import mask_address
from incident_app.services.transaction import reading_one_moment, transaction
from incident_app.services.waves import get_campaign_row, totals_in
from notifications.message import message_id

FORMATS = ("csv", "json")
ADDRESS = "address"
COLUMNS = (
    "customer_number",
    ADDRESS,
    "domain",
    "channel",
    "wave",
    "delivery_id",
    "state",
    "withheld_because",
    "attempts",
    "last_attempt_at",
    "last_outcome",
    "reply_code",
    "enhanced_code",
    "reply_text",
    "message_id",
    "reference_code",
    "notice_version",
    "language",
    "items",
    "bounce",
    "bounce_code",
    "bounced_at",
    "standing",
    "standing_since",
    "how",
)
Write = Callable[[bytes], object]
Row = Mapping[str, object]


class OutcomesDisagree(IncidentAppError):
    """The rows of wave {wave} do not add up to what the database counts. Nothing was handed over; check the database.

    Run `incident-app db check`.
    """

    ja = (
        "第{wave}波の行を数えた結果が、データベースの集計と一致しません。書き出していません。"
        "`incident-app db check` で確かめてください。"
    )


class Addresses(StrEnum):
    """How much of an address stands in an export."""

    NONE = "none"
    MASKED = "masked"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be written: one wave or all of an incident, in which form."""

    incident_id: IncidentId
    campaign_id: CampaignId | None = None
    form: str = "csv"
    addresses: Addresses = Addresses.MASKED
    name_items: bool = True
    """The codes of the items; else only their digest."""
    message_domain: str


@dataclass(frozen=True, kw_only=True)
class WaveTotals:
    """One wave, counted from its rows."""

    wave: int
    planned: int
    sent: int
    failed: int
    skipped: int
    in_doubt: int
    waiting: int
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What stands in an export, and the digests by which it is known again."""

    rows: int
    people_in_no_message: int
    addresses: Addresses
    waves: tuple[WaveTotals, ...]
    agrees: bool
    rows_digest: ContentDigest
    """Over the rows without their addresses: the same as on the timeline."""
    file_sha256: ContentDigest
    exported_at: datetime
    exported_by: str


def write_outcomes(
    engine: Engine, wanted: Wanted, write: Write, *, purpose: str, actor: Actor, now: datetime
) -> Manifest:
    """Write one row per person and message, then record who exported what for which purpose (H5).

    `write` must not hand anything over before this returns: what was not recorded was not exported.
    """
    _check(wanted, purpose)
    paper = _Paper(wanted, write)
    with reading_one_moment(engine) as session:
        campaigns = _campaigns(session, wanted)
        totals = [_totals(campaign, totals_in(session, campaign)) for campaign in campaigns]
        paper.start(totals)
        for campaign, counted in zip(campaigns, totals, strict=True):
            _write_wave(session, paper, campaign, counted, wanted)
        nowhere = _write_others(session, paper, wanted) if wanted.campaign_id is None else 0
    paper.finish()
    manifest = Manifest(
        rows=paper.rows,
        people_in_no_message=nowhere,
        addresses=wanted.addresses,
        waves=tuple(totals),
        agrees=all(wave.agrees for wave in totals),
        rows_digest=ContentDigest(paper.rows_hash.hexdigest()),
        file_sha256=ContentDigest(paper.file_hash.hexdigest()),
        exported_at=now,
        exported_by=actor,
    )
    with transaction(engine, actor=actor, now=now) as act:
        what = "outcomes" if wanted.addresses is Addresses.NONE else f"outcomes_{wanted.addresses}"
        purpose_digest = act.keep_text(purpose).digest
        act.record(
            ExportMade(what=what, rows=manifest.rows, digest=manifest.rows_digest, purpose_digest=purpose_digest),
            incident=wanted.incident_id,
        )
    return manifest


def _check(wanted: Wanted, purpose: str) -> None:
    if wanted.form not in FORMATS:
        raise BadInput(field="format", problem="choose csv or json")
    if not purpose.strip():
        raise BadInput(field="purpose", problem="say what the export is for; it is kept on the timeline")


class _Paper:
    """The file as it grows: its two digests, and the little that stands around its rows."""

    def __init__(self, wanted: Wanted, write: Write) -> None:
        self._is_json = wanted.form == "json"
        self._write = write
        self.rows = 0
        self.rows_hash = hashlib.sha256()
        self.file_hash = hashlib.sha256()

    def start(self, totals: list[WaveTotals]) -> None:
        """Write what comes before the rows: the sums, or the names of the columns."""
        if self._is_json:
            waves = json.loads(canonical_text(totals))
            self._put(f'{{"waves": {json.dumps(waves)}, "rows": [')
        else:
            self._put(csv_lines([COLUMNS]))

    def add(self, rows: list[Row]) -> None:
        """Write some rows."""
        for row in rows:
            without = {name: value for name, value in row.items() if name != ADDRESS}
            self.rows_hash.update(f"{_flat_text(without)}\n".encode())
        if self._is_json:
            lines = (json.dumps(dict(row), ensure_ascii=False) for row in rows)
            joined = ",\n".join(lines)
            self._put((",\n" if self.rows and joined else "\n") + joined)
        else:
            self._put(csv_lines([[row[name] for name in COLUMNS] for row in rows]))
        self.rows += len(rows)

    def finish(self) -> None:
        """Write what comes after the rows."""
        if self._is_json:
            self._put(f'\n], "rows_digest": "{self.rows_hash.hexdigest()}"}}\n')

    def _put(self, text: str) -> None:
        content = text.encode()
        self.file_hash.update(content)
        self._write(content)


def _flat_text(row: Row) -> str:
    """Return the canonical text of a row of texts and numbers: what `canonical_text` writes, in a third of the time."""
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _campaigns(session: Session, wanted: Wanted) -> list[Campaign]:
    if wanted.campaign_id is not None:
        return [get_campaign_row(session, wanted.campaign_id)]
    return list(
        session.scalars(
            sa.select(Campaign)
            .where(Campaign.incident_id == wanted.incident_id, Campaign.status != CampaignStatus.BUILDING)
            .order_by(Campaign.purpose, Campaign.wave_number),
        ),
    )


def _totals(campaign: Campaign, totals: DeliveryTotals) -> WaveTotals:
    return WaveTotals(
        wave=campaign.wave_number,
        planned=totals.planned,
        sent=totals.sent,
        failed=totals.failed,
        skipped=totals.skipped,
        in_doubt=totals.in_doubt,
        waiting=totals.waiting,
        agrees=totals.agrees,
    )


def _write_wave(session: Session, paper: _Paper, campaign: Campaign, counted: WaveTotals, wanted: Wanted) -> None:
    """Write the rows of a wave and count its messages again while they pass by."""
    states: Counter[DeliveryState] = Counter()
    for page in messages_of(session, campaign.id):
        items = _Items(session, {person.item_set_id for people in page.people.values() for person in people}, wanted)
        rows: list[Row] = []
        for message in page.messages:
            states[message.state] += 1
            attempt, returned = page.attempts.get(message.id), page.returned.get(message.id)
            common = _of_message(message, attempt, returned, wanted)
            rows += [{**common, **_of_person(person, items)} for person in page.people.get(message.id, ())]
        paper.add(rows)
    if _totals(campaign, DeliveryTotals(planned=campaign.planned, by_state=states)) != counted:
        raise OutcomesDisagree(wave=campaign.wave_number)


def _write_others(session: Session, paper: _Paper, wanted: Wanted) -> int:
    written = 0
    for people in people_in_no_message(session, wanted.incident_id):
        items = _Items(session, {person.item_set_id for person in people}, wanted)
        nothing: Row = dict.fromkeys(COLUMNS)
        paper.add([{**nothing, **_of_person(person, items)} for person in people])
        written += len(people)
    return written


def _of_message(
    message: MessageRow, attempt: LastAttempt | None, returned: LastReturn | None, wanted: Wanted
) -> dict[str, object]:
    return {
        **dict.fromkeys(COLUMNS),
        ADDRESS: _address(message.address or "", wanted.addresses),
        "domain": message.domain,
        "channel": Channel.EMAIL.value,
        "wave": message.wave,
        "delivery_id": message.id,
        "state": str(message.state),
        "withheld_because": message.withheld_because and str(message.withheld_because),
        "attempts": message.attempts,
        "message_id": message_id(message.token, wanted.message_domain),
        "reference_code": reference_code(message.token),
        "notice_version": message.notice_version,
        "language": str(message.language),
        **(_of_attempt(attempt) if attempt else {}),
        **(_of_return(returned) if returned else {}),
    }


def _of_attempt(attempt: LastAttempt) -> dict[str, object]:
    return {
        "last_attempt_at": utc_text(attempt.finished_at),
        "last_outcome": attempt.outcome,
        "reply_code": attempt.reply_code,
        "enhanced_code": attempt.enhanced_code,
        "reply_text": attempt.reply_text,
    }


def _of_return(returned: LastReturn) -> dict[str, object]:
    return {
        "bounce": str(returned.kind),
        "bounce_code": returned.enhanced_code,
        "bounced_at": utc_text(returned.read_at),
    }


class _Items:
    """The items of some people as an export names them."""

    def __init__(self, session: Session, set_ids: set[int], wanted: Wanted) -> None:
        sets = item_codes(session, set_ids)
        self._said = {
            key: " ".join(codes) if wanted.name_items else digest_of(sorted(codes)) for key, codes in sets.items()
        }

    def said(self, set_id: int) -> str:
        """Return the codes of the items, or their digest."""
        return self._said[set_id]


def _of_person(person: PersonRow, items: _Items) -> dict[str, object]:
    return {
        "customer_number": person.number,
        "items": items.said(person.item_set_id),
        "standing": str(person.standing),
        "standing_since": utc_text(person.standing_since),
        "how": person.how,
    }


def _address(address: str, shown: Addresses) -> str:
    if shown is Addresses.FULL:
        return address
    return mask_address(address) if shown is Addresses.MASKED else ""
