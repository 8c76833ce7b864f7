"""All papers of an incident held against each other and against the records; a difference stops approval (E11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.consistency import (
    RECORDS,
    Claim,
    Consistency,
    Mismatch,
    PaperClaims,
    claims_of,
    compare,
    day_of_discovery_in,
    disagreement,
)
from incident_app.domain.delivery import CampaignStatus
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.events import PapersExplained
from incident_app.domain.ids import Actor, IncidentId, ReportId
from incident_app.domain.people_in_texts import numbers_of_people
from incident_app.domain.report_facts import FactKind, FactList, FactSource, FactValue
from incident_app.domain.report_forms import Form
from incident_app.domain.report_shares import Share
from incident_app.domain.words import Words
from incident_app.persistence.incidents import Incident
from incident_app.persistence.notices import Notice, NoticeVersion
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.outbox import Campaign
from incident_app.persistence.reports import PaperExplanation, Report, ReportClaim, ReportSubmission, ReportVersion
from incident_app.persistence.timeline import TextRow
from incident_app.services.answer_words import ANSWERS
from incident_app.services.incidents import get_row
from incident_app.services.people import newest_determination
from incident_app.services.people_told import people_told_in
from incident_app.services.person_counts import numbers_for_law
from incident_app.services.report_facts import report_facts
from incident_app.services.report_history import Planned
from incident_app.services.report_shares import part_for, share_of_duty
from incident_app.services.transaction import Transaction, reading, transaction

OVER = frozenset({CampaignStatus.FINISHED, CampaignStatus.CANCELLED})
NO_FACTS = FactList(facts={}, item_kinds=())


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A contradiction that somebody gave a reason for."""

    mismatch: Mismatch
    reason: str
    at: datetime
    by: str


@dataclass(frozen=True, kw_only=True)
class ConsistencyView:
    """What does not agree: what still needs correction or a reason, what has one, and what was overtaken."""

    open: tuple[Mismatch, ...]
    explained: tuple[Explained, ...]
    overtaken: tuple[Mismatch, ...]


def keep_claims(
    session: Session, version: ReportVersion, form: Form, facts: Mapping[str, FactValue], given: Mapping[str, str]
) -> None:
    """Keep what a new version of a report answers, and the numbers of people in the texts that people wrote."""
    asked = {name: value for name, value in facts.items() if name in form.facts}
    texts = [
        text
        for name, value in asked.items()
        if isinstance(value, Words) and form.facts[name].kind is FactKind.TEXT
        if form.facts[name].source is not FactSource.INCIDENT or name in given
        for text in dict.fromkeys((value.ja, value.en))
    ]
    claims = claims_of(asked, ANSWERS)
    if "discovered_on" not in claims and (day := day_of_discovery_in(texts)):
        claims["discovered_on"] = day
    session.add(
        ReportClaim(
            report_version_id=version.id,
            claims={question: asdict(claim) for question, claim in claims.items()},
            numbers=sorted(numbers_of_people(texts)),
        )
    )


def show_consistency(engine: Engine, incident_id: IncidentId, *, now: datetime) -> ConsistencyView:
    """Return everything that does not agree in the papers of an incident."""
    with reading(engine) as session:
        found = _find(session, incident_id, now)
        reasons = _reasons(session, incident_id)
        return ConsistencyView(
            open=tuple(one for one in found.mismatches if one.digest not in reasons),
            explained=tuple(
                Explained(mismatch=one, reason=text, at=row.explained_at, by=row.explained_by)
                for one in found.mismatches
                if one.digest in reasons
                for row, text in (reasons[one.digest],)
            ),
            overtaken=found.overtaken,
        )


def check_paper(session: Session, incident_id: IncidentId, paper: str, *, now: datetime) -> None:
    """Refuse a paper that contradicts the records or the other papers, unless somebody said why."""
    blamed = _find(session, incident_id, now).of(paper)
    if blamed:
        reasons = _reasons(session, incident_id)
        if left := [one for one in blamed if one.digest not in reasons]:
            raise disagreement(left)


def explain(engine: Engine, incident_id: IncidentId, digest: str, *, reason: str, actor: Actor, now: datetime) -> None:
    """Say why papers differ on one question; it holds until one of them says something else."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why the papers may differ")
    with reading(engine) as session:  # before the act: it counts everybody who was told
        found = _find(session, incident_id, now).mismatches
    mismatch = next((one for one in found if one.digest == digest), None)
    if mismatch is None:
        raise NotFound(what="contradiction", name=digest[:12])
    with transaction(engine, actor=actor, now=now) as act:
        _keep_reason(act, incident_id, mismatch, reason.strip())


def _keep_reason(act: Transaction, incident_id: IncidentId, mismatch: Mismatch, reason: str) -> None:
    text = act.keep_text(reason)
    act.session.add(
        PaperExplanation(
            incident_id=incident_id,
            question=mismatch.question,
            mismatch_digest=mismatch.digest,
            statements=[asdict(one) for one in mismatch.statements],
            reason_text_id=text.id,
            explained_at=act.now,
            explained_by=act.actor,
        )
    )
    act.record(
        PapersExplained(question=mismatch.question, mismatch_digest=mismatch.digest, reason_digest=text.digest),
        incident=incident_id,
    )


def _reasons(session: Session, incident_id: IncidentId) -> dict[str, tuple[PaperExplanation, str]]:
    rows = session.execute(
        sa.select(PaperExplanation, TextRow.body)
        .join(TextRow, TextRow.id == PaperExplanation.reason_text_id)
        .where(PaperExplanation.incident_id == incident_id)
        .order_by(PaperExplanation.id)
    )
    return {row.mismatch_digest: (row, body or "") for row, body in rows}


def _find(session: Session, incident_id: IncidentId, now: datetime) -> Consistency:
    row = get_row(session, incident_id)
    facts = report_facts(session, row, NO_FACTS, now=now)
    records = PaperClaims(paper=RECORDS, title=Words(ja="記録", en="the record"), claims=claims_of(facts, ANSWERS))
    papers = [*_reports(session, incident_id), *_notices(session, incident_id)]
    own, numbers = _own_records(session, row, now)
    return compare(records, papers, known_numbers=_known_numbers(session, incident_id) | numbers, own=own)


def _own_records(session: Session, row: Incident, now: datetime) -> tuple[dict[str, PaperClaims], set[int]]:
    """Return what the records say of the part that the recipient of a report is told of, and the numbers of it."""
    try:
        determination = newest_determination(session, IncidentId(row.id))
    except NotFound:
        return {}, set()
    reports = session.scalars(
        sa.select(Report).where(Report.incident_id == row.id, Report.obligation_id.is_not(None)).order_by(Report.id)
    ).all()
    found: dict[str, PaperClaims] = {}
    numbers: set[int] = set()
    by_share: dict[Share, PaperClaims | None] = {}
    for report in reports:
        duty = session.get_one(Obligation, report.obligation_id)
        share = share_of_duty(session, duty)
        if share is None or share.is_everything:
            continue
        if share not in by_share:
            part = part_for(session, duty, determination)
            by_share[share] = _claims_of_part(session, row, report, now) if part else None
            numbers |= part.numbers if part else set()
        if (claims := by_share[share]) is not None:
            found[f"report:{report.id}"] = claims
    return found, numbers


def _claims_of_part(session: Session, row: Incident, report: Report, now: datetime) -> PaperClaims:
    planned = Planned(
        incident_id=IncidentId(row.id),
        form=report.form,
        report_id=ReportId(report.id),
        obligation_id=report.obligation_id,
        addressee_ref=report.addressee_ref,
    )
    facts = report_facts(session, row, NO_FACTS, now=now, planned=planned)
    title = Words(ja="記録（この提出先に関わる分）", en="the record (what concerns this recipient)")
    return PaperClaims(paper=RECORDS, title=title, claims=claims_of(facts, ANSWERS))


def _reports(session: Session, incident_id: IncidentId) -> list[PaperClaims]:
    rows = session.execute(
        sa.select(Report, ReportVersion.version, ReportVersion.fields, ReportClaim, ReportSubmission.submitted_at)
        .join(
            ReportVersion,
            sa.and_(ReportVersion.report_id == Report.id, ReportVersion.version == Report.current_version),
        )
        .join(ReportClaim, ReportClaim.report_version_id == ReportVersion.id)
        .outerjoin(ReportSubmission, ReportSubmission.report_version_id == ReportVersion.id)
        .where(Report.incident_id == incident_id)
        .order_by(Report.id)
    )
    found = []
    for report, version, content, kept, submitted_at in rows:
        title = content["title"] if isinstance(content, dict) else {"ja": report.form, "en": report.form}
        claims = kept.claims if isinstance(kept.claims, dict) else {}
        found.append(
            PaperClaims(
                paper=f"report:{report.id}",
                title=_numbered(Words(**title), report.id, version),
                claims={question: _claim(claim) for question, claim in claims.items()},
                numbers=frozenset(kept.numbers if isinstance(kept.numbers, list) else ()),
                filed_at=submitted_at,
            )
        )
    return found


def _claim(kept: Mapping[str, object]) -> Claim:
    shown = kept["shown"]
    if not isinstance(shown, dict):
        raise TypeError("a kept claim has words")
    return Claim(value=str(kept["value"]), shown=Words(**shown))


def _numbered(title: Words, number: int, version: int) -> Words:
    return Words(
        ja=f"「{title.ja}」（報告書 {number}、第{version}版）", en=f"{title.en} (report {number}, version {version})"
    )


def _notices(session: Session, incident_id: IncidentId) -> list[PaperClaims]:
    """Return what the notices say; one whose waves are all over is history."""
    rows = session.execute(
        sa.select(Notice, NoticeVersion.facts, NoticeVersion.at)
        .join(
            NoticeVersion,
            sa.and_(NoticeVersion.notice_id == Notice.id, NoticeVersion.version == Notice.current_version),
        )
        .where(Notice.incident_id == incident_id)
        .order_by(Notice.id, NoticeVersion.language.desc())
    ).all()
    waves = session.execute(
        sa.select(Campaign.notice_id, Campaign.status).where(Campaign.incident_id == incident_id)
    ).all()
    found: dict[int, PaperClaims] = {}
    for notice, facts, at in rows:
        of_notice = [status for notice_id, status in waves if notice_id == notice.id]
        texts = [str(text) for text in facts.values()] if isinstance(facts, dict) else []
        day = day_of_discovery_in(texts)
        before = found.get(notice.id)
        found[notice.id] = PaperClaims(
            paper=f"notice:{notice.id}",
            title=Words(
                ja=f"通知文 {notice.id}（第{notice.current_version}版）",
                en=f"notice {notice.id} (version {notice.current_version})",
            ),
            claims={**({"discovered_on": day} if day else {}), **(before.claims if before else {})},
            numbers=numbers_of_people(texts) | (before.numbers if before else frozenset()),
            filed_at=at if of_notice and set(of_notice) <= OVER else None,
        )
    return list(found.values())


def _known_numbers(session: Session, incident_id: IncidentId) -> set[int]:
    """Return every number of people that is on record now; one that was replaced is on record no more."""
    known = {count.value for count in numbers_for_law(session, incident_id).values()}
    told = people_told_in(session, incident_id)
    known |= {told.total, told.told, told.told_and_no_longer_affected, *told.affected.values()}
    try:
        summary = newest_determination(session, incident_id).summary
    except NotFound:
        return known
    groups = summary.values() if isinstance(summary, dict) else []
    return known | {number for group in groups if isinstance(group, dict) for number in group.values()}
