"""What the linter finds in a notice, what law demands of it, and findings that somebody accepts with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import FindingWaived
from incident_app.domain.ids import Actor, IncidentId, NoticeId
from incident_app.domain.notice_lint import Expectations, Finding, LintRule, Severity, lint, unwaived
from incident_app.domain.notices import read_facts
from incident_app.domain.regimes import AddresseeKind, read_regime
from incident_app.domain.vocabulary import Certainty, DutyStatus, Language, Purpose
from incident_app.persistence.notices import LintWaiver, Notice, NoticeVersion, TemplateVersion
from incident_app.persistence.obligations import Obligation
from incident_app.persistence.playbooks import PlaybookVersion
from incident_app.persistence.timeline import TextRow
from incident_app.services.accounts import user_of
from incident_app.services.playbooks import PlaybookKind
from incident_app.services.transaction import transaction

NO_LONGER_DUE = (DutyStatus.SUPERSEDED, DutyStatus.WAIVED)
NAMES = ("company_name", "service_name", "desk_name")


class NoticeNotReady(IncidentAppError):
    """The notice cannot be approved like this: {findings}. Mend it, or accept the finding with a reason."""

    ja = "この通知文は承認できません：{findings} 直すか、理由を付けて受け入れてください。"

    def __init__(self, *, findings: Sequence[Finding]) -> None:
        self.findings = findings
        super().__init__()

    def message(self, language: str, **_words: object) -> str:
        """Say every finding in the language of the message."""
        said = " ".join(
            f"{entry.place.ja}：{entry.what.ja}" if language == "ja" else f"{entry.place.en}: {entry.what.en}"
            for entry in self.findings
        )
        return super().message(language, findings=said.rstrip(".") if language == "en" else said)


@dataclass(frozen=True, kw_only=True)
class Waived:
    """A finding that somebody accepted."""

    language: Language
    rule: str
    reason: str
    at: datetime


def check_fit(session: Session, notice_id: int) -> None:
    """Refuse a notice with findings that stop approval and that nobody accepted with a reason."""
    notice = session.get_one(Notice, notice_id)
    accepted = {(entry.language.value, entry.rule) for entry in waivers_of(session, notice)}
    if open_ones := unwaived(findings_of(session, notice), accepted):
        raise NoticeNotReady(findings=open_ones)


def findings_of(session: Session, notice: Notice) -> tuple[Finding, ...]:
    """Return what the linter finds in the current version of a notice, in all its languages."""
    rows = session.execute(
        sa.select(NoticeVersion, TemplateVersion)
        .join(TemplateVersion, TemplateVersion.id == NoticeVersion.template_version_id)
        .where(NoticeVersion.notice_id == notice.id, NoticeVersion.version == notice.current_version)
        .order_by(NoticeVersion.language.desc()),
    ).all()
    # An all-clear is owed by our promise; what law demands stood in the notice that it follows.
    required = {} if notice.purpose is Purpose.ALL_CLEAR else required_items(session, IncidentId(notice.incident_id))
    return tuple(
        finding
        for version, template in rows
        for finding in lint(
            language=version.language,
            subject=version.subject,
            text=version.text,
            html=version.html,
            expected=_expectations(notice, version, template, required),
        )
    )


def _expectations(
    notice: Notice, version: NoticeVersion, template: TemplateVersion, required: Mapping[str, str]
) -> Expectations:
    facts = dict(version.facts) if isinstance(version.facts, Mapping) else {}
    source = dict(template.texts).get("facts.toml", "") if isinstance(template.texts, Mapping) else ""
    covered = {
        fact.law_item
        for fact in read_facts(str(source), file=f"{template.kind}/facts.toml")
        if fact.law_item and str(facts.get(fact.name, "")).strip()
    }
    if "[[your_information]]" in version.text:
        covered.add("2")
    rings = frozenset(Certainty(word) for word in notice.rings) if notice.rings else frozenset(Certainty)
    return Expectations(
        required=required, covered=covered, rings=rings, names=[str(facts.get(name, "")) for name in NAMES]
    )


def required_items(session: Session, incident_id: IncidentId) -> dict[str, str]:
    """Return what the notice to people must say by the regimes that oblige us to it, each with who demands it."""
    duties = session.execute(
        sa.select(Obligation.regime, PlaybookVersion.content)
        .join(PlaybookVersion, PlaybookVersion.id == Obligation.playbook_version_id)
        .where(
            Obligation.incident_id == incident_id,
            Obligation.addressee_kind == AddresseeKind.PEOPLE,
            Obligation.status.not_in(NO_LONGER_DUE),
            PlaybookVersion.kind == PlaybookKind.REGIME,
        )
        .distinct(),
    )
    demanded: dict[str, list[str]] = defaultdict(list)
    for code, content in duties:
        for report in read_regime(content, file=code).reports:
            if report.kind is AddresseeKind.PEOPLE:
                for item in report.notice_items:
                    demanded[item].append(code)
    return {item: ", ".join(dict.fromkeys(codes)) for item, codes in sorted(demanded.items())}


def waivers_of(session: Session, notice: Notice) -> tuple[Waived, ...]:
    """Return the findings of the current version that somebody accepted."""
    rows = session.execute(
        sa.select(LintWaiver, TextRow.body)
        .join(TextRow, TextRow.id == LintWaiver.reason_text_id)
        .where(LintWaiver.notice_id == notice.id, LintWaiver.version == notice.current_version)
        .order_by(LintWaiver.id),
    )
    return tuple(Waived(language=row.language, rule=row.rule, reason=body or "", at=row.at) for row, body in rows)


def waive(
    engine: Engine,
    incident_id: IncidentId,
    notice_id: NoticeId,
    language: Language,
    rule: LintRule,
    *,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Accept a finding of the current version that stops approval. A new version is judged anew."""
    if not reason.strip():
        raise BadInput(field="reason", problem="say why this may stay")
    with transaction(engine, actor=actor, now=now) as act:
        notice = _notice_to_waive(act.session, incident_id, notice_id, language, rule)
        text = act.keep_text(reason)
        act.session.add(
            LintWaiver(
                notice_id=notice.id,
                version=notice.current_version,
                language=language,
                rule=rule,
                reason_text_id=text.id,
                waived_by=user_of(actor),
                at=now,
            ),
        )
        act.record(
            FindingWaived(
                notice_id=notice.id,
                version=notice.current_version,
                language=language,
                rule=rule,
                reason_digest=text.digest,
            ),
            incident=incident_id,
        )


def _notice_to_waive(
    session: Session, incident_id: IncidentId, notice_id: NoticeId, language: Language, rule: LintRule
) -> Notice:
    notice = session.get(Notice, notice_id)
    if notice is None or notice.incident_id != incident_id:
        raise NotFound(what="notice", name=notice_id)
    if not _may_be_accepted(session, notice, language, rule):
        raise BadInput(field="rule", problem="there is no such finding to accept")
    return notice


def _may_be_accepted(session: Session, notice: Notice, language: Language, rule: LintRule) -> bool:
    """Tell whether this finding blocks the current version and nobody accepted it yet."""
    if any((entry.language, entry.rule) == (language, rule) for entry in waivers_of(session, notice)):
        return False
    wanted = (language, rule, Severity.BLOCKS)
    return any((entry.language, entry.rule, entry.severity) == wanted for entry in findings_of(session, notice))
