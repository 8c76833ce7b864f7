"""What reports say of other papers: earlier reports to the same authority, reports to others, and the publication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId, ReportId
from incident_app.domain.report_facts import Codes, FactValue
from incident_app.domain.report_values import day_words, local_day
from incident_app.domain.words import Words
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.reports import Report, ReportSubmission, ReportVersion

PUBLIC_STATEMENT = "public-statement"
PUBLIC = frozenset({PUBLIC_STATEMENT, "public-faq"})
STAGES = ("preliminary", "follow-up", "definitive", "first", "detailed", "early-warning", "notification", "final")
"""How the code of a form ends that is one of several to the same authority."""


@dataclass(frozen=True, kw_only=True)
class FiledPaper:
    """A paper that was transmitted."""

    report_id: int
    form: str
    regime: str | None
    addressee_ref: str
    title: Words
    addressee: Words
    at: datetime
    channel: str
    receipt: str | None

    def words(self, *, addressed: bool) -> Words:
        """Say what was transmitted, when, and under which receipt number."""
        day = day_words(local_day(self.at))
        ja = f"{self.addressee.ja}：{self.title.ja}" if addressed else self.title.ja
        en = f"{self.addressee.en}: {self.title.en}" if addressed else self.title.en
        receipt_ja = f"、受付番号 {self.receipt}" if self.receipt else ""
        receipt_en = f", receipt {self.receipt}" if self.receipt else ""
        return Words(ja=f"{ja}（{day.ja}提出{receipt_ja}）", en=f"{en} (filed {day.en}{receipt_en})")


def filed_papers(session: Session, incident_id: IncidentId) -> list[FiledPaper]:
    """Return what was transmitted about an incident, oldest first."""
    rows = session.execute(
        sa.select(Report, ReportVersion.fields, ReportSubmission, Obligation.regime)
        .join(ReportVersion, ReportVersion.report_id == Report.id)
        .join(ReportSubmission, ReportSubmission.report_version_id == ReportVersion.id)
        .outerjoin(Obligation, Obligation.id == Report.obligation_id)
        .where(Report.incident_id == incident_id)
        .order_by(ReportSubmission.submitted_at, ReportSubmission.id)
    ).all()
    return [
        FiledPaper(
            report_id=report.id,
            form=report.form,
            regime=regime,
            addressee_ref=report.addressee_ref,
            title=Words(**content["title"]),
            addressee=Words(**content["addressee"]),
            at=filed.submitted_at,
            channel=filed.channel,
            receipt=filed.receipt_reference,
        )
        for report, content, filed, regime in rows
        if isinstance(content, dict)
    ]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The report that is about to be written: under which form, and for which duty."""

    incident_id: IncidentId
    form: str
    report_id: ReportId | None
    obligation_id: int | None
    addressee_ref: str


def history_facts(
    session: Session, incident_id: IncidentId, planned: Planned | None, *, now: datetime
) -> dict[str, FactValue]:
    """Return what a report says of the papers that were transmitted before it."""
    filed = filed_papers(session, incident_id)
    duty = session.get(Obligation, planned.obligation_id) if planned and planned.obligation_id else None
    regime = duty.regime if duty else None
    same = [paper for paper in filed if planned is not None and _continues(paper, planned, regime)]
    others = [paper for paper in filed if paper not in same and paper.form not in PUBLIC]
    facts: dict[str, FactValue] = {"report_series": Codes(codes=("follow_up" if same else "new",))}
    if same:
        facts["previous_reports"] = _lines(same, addressed=False)
    if others:
        facts["reports_filed"] = _lines(others, addressed=True)
    if duty is not None and duty.due_at is not None:
        facts["past_due"] = Codes(codes=("yes" if now > duty.due_at else "no",))
    if published := [paper for paper in filed if paper.form == PUBLIC_STATEMENT]:
        facts["publication_state"] = Codes(codes=("done",))
        facts["publication"] = _publication(published[0])
    return facts


def _continues(paper: FiledPaper, planned: Planned, regime: str | None) -> bool:
    """Tell whether a report adds to that paper: the same authority under the same regime, or the same series."""
    if regime is not None and paper.regime is not None:
        return (paper.regime, paper.addressee_ref) == (regime, planned.addressee_ref)
    same_place = not planned.addressee_ref or paper.addressee_ref == planned.addressee_ref
    return _series(paper.form) == _series(planned.form) and same_place


def _series(form: str) -> str:
    """Return what the forms of one series share: a follow-up continues the preliminary report, without a duty too."""
    return next((form.removesuffix(f"-{stage}") for stage in STAGES if form.endswith(f"-{stage}")), form)


def _lines(papers: Sequence[FiledPaper], *, addressed: bool) -> Words:
    words = [paper.words(addressed=addressed) for paper in papers]
    return Words(ja="\n".join(line.ja for line in words), en="\n".join(line.en for line in words))


def _publication(paper: FiledPaper) -> Words:
    day = day_words(local_day(paper.at))
    place = f"、{paper.receipt}" if paper.receipt else ""
    return Words(
        ja=f"{day.ja}に公表（{paper.channel}{place}）「{paper.title.ja}」",
        en=f"published {day.en} ({paper.channel}{place.replace('、', ', ')}): {paper.title.en}",
    )
