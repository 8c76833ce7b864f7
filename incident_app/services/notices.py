"""Notices: drafted from facts, versioned, linted, previewed for a chosen person; any edit voids approvals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.delivery import CampaignEvent, CampaignStatus, next_campaign_status
from incident_app.domain.digests import digest_of
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound
from incident_app.domain.events import NoticeDrafted
from incident_app.domain.ids import Actor, IncidentId, NoticeId, ScopeId
from incident_app.domain.inventory import DataItem
from incident_app.domain.notice_lint import Expectations, Finding, lint, stops, unwaived
from incident_app.domain.notices import KindOfNotice, NoticeFact, PersonalItem, personal_facts
from incident_app.domain.policies import read_policy
from incident_app.domain.vocabulary import Certainty, Harm, Language, Purpose, Relation, Subject
from incident_app.domain.words import Words
from incident_app.persistence.affected import pattern_of
from incident_app.persistence.customers import Customer, CustomerContact
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.notices import Notice, NoticeVersion, TemplateVersion
from incident_app.persistence.outbox import Campaign
from incident_app.rendering.notices import NoticeTemplates, NoticeText, PersonalText
from incident_app.services.accounts import user_of
from incident_app.services.approvals import has_open_request, void_approvals
from incident_app.services.notice_checks import NAMES, Waived, findings_of, waivers_of
from incident_app.services.people import newest_determination
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.scope_inventory import inventory_with
from incident_app.services.scopes import read_scope
from incident_app.services.transaction import Transaction, reading, transaction

LANGUAGES = (Language.JA, Language.EN)


TEXTS = {
    Language.JA: Words(ja="日本語の文面：", en="Japanese text: "),
    Language.EN: Words(ja="英語の文面：", en="English text: "),
}


class NoticeNotFit(IncidentAppError):
    """The notice cannot be kept like this: {findings}."""

    ja = "この通知文は保存できません：{findings}"

    def __init__(self, *, stopping: Sequence[Finding]) -> None:
        self.stopping = stopping
        super().__init__()

    def message(self, language: str, **_words: object) -> str:
        """Say every finding in the language of the message."""
        said = []
        for entry in self.stopping:
            text = TEXTS[Language(entry.language)]
            said.append(text.ja + entry.what.ja if language == "ja" else text.en + entry.what.en)
        return super().message(language, findings=" ".join(said).rstrip("."))


@dataclass(frozen=True, kw_only=True)
class NoticeView:
    """A notice in its current version, all languages."""

    id: NoticeId
    incident_id: IncidentId
    kind: str
    title: str
    version: int
    written_at: datetime
    facts: Mapping[str, Mapping[str, str]]
    texts: Mapping[str, tuple[str, str, str]]
    """Language -> (subject, text, html), with placeholders."""
    findings: tuple[Finding, ...]
    waived: tuple[Waived, ...]

    @property
    def to_accept(self) -> tuple[tuple[str, str], ...]:
        """Return language and rule of each finding that stops approval until somebody accepts it."""
        accepted = {(entry.language.value, entry.rule) for entry in self.waived}
        return tuple(dict.fromkeys((entry.language, entry.rule.value) for entry in unwaived(self.findings, accepted)))

    def is_waived(self, finding: Finding) -> bool:
        """Tell whether somebody accepted a finding."""
        return any((entry.language, entry.rule) == (finding.language, finding.rule) for entry in self.waived)


def facts_needed(templates: NoticeTemplates, kind: str) -> Mapping[str, Sequence[NoticeFact]]:
    """Return the facts that each language of a kind needs."""
    return {language: templates.facts_needed(kind, language) for language in templates.languages(kind)}


def draft_notice(
    engine: Engine,
    incident_id: IncidentId,
    templates: NoticeTemplates,
    *,
    kind: str,
    facts: Mapping[str, Mapping[str, str]],
    title: str = "",
    notice_id: NoticeId | None = None,
    actor: Actor,
    now: datetime,
) -> NoticeView:
    """Draft a notice, or a new version of one, in every language given.

    A missing fact or a finding of the linter that stops is refused, and nothing is stored. A new version voids the
    approvals of waves that have not started (E9); waves under way keep the version that was approved.
    """
    if not facts:
        raise BadInput(field="facts", problem="write the notice in at least one language")
    drafted = {Language(language): templates.draft(kind, language, values) for language, values in facts.items()}
    found = [finding for language, text in drafted.items() for finding in _lint(language, text, facts[language])]
    if stopping := stops(tuple(found)):
        raise NoticeNotFit(stopping=stopping)
    author = user_of(actor)
    with transaction(engine, actor=actor, now=now) as act:
        notice = _notice(act, incident_id, kind, title, notice_id, templates.about(kind))
        _store_texts(act, notice, author, drafted, facts)
        act.record(
            NoticeDrafted(
                notice_id=notice.id,
                version=notice.current_version,
                notice_kind=kind,
                digest=digest_of({language: text.content_digest for language, text in drafted.items()}),
            ),
            incident=incident_id,
        )
        _void_waves(act, incident_id, notice)
        return _view(act.session, notice)


def _store_texts(
    act: Transaction,
    notice: Notice,
    author: int,
    drafted: Mapping[Language, NoticeText],
    facts: Mapping[str, Mapping[str, str]],
) -> None:
    for language, text in drafted.items():
        act.session.add(
            NoticeVersion(
                notice_id=notice.id,
                version=notice.current_version,
                language=language,
                template_version_id=_template_version(act, notice.kind, language, text),
                facts=dict(facts[language]),
                subject=text.subject,
                text=text.text,
                html=text.html,
                content_digest=text.content_digest,
                written_by=author,
                at=act.now,
            ),
        )
    act.session.flush()


def _lint(language: str, text: NoticeText, facts: Mapping[str, str]) -> tuple[Finding, ...]:
    names = [facts.get(name, "") for name in NAMES]
    expected = Expectations(names=names)
    return lint(language=language, subject=text.subject, text=text.text, html=text.html, expected=expected)


def _notice(
    act: Transaction, incident_id: IncidentId, kind: str, title: str, notice_id: NoticeId | None, about: KindOfNotice
) -> Notice:
    """Return a new notice, or the next version of one; its waves choose only those whom its kind is for."""
    if notice_id is None:
        notice = Notice(
            incident_id=incident_id,
            kind=kind,
            purpose=about.purpose,
            title=title or kind,
            current_version=1,
            created_at=act.now,
        )
        act.session.add(notice)
    else:
        notice = _get(act.session, incident_id, notice_id)
        if notice.kind != kind:
            raise BadInput(field="kind", problem=f"this notice is of kind {notice.kind}")
        notice.current_version += 1
    notice.rings = sorted(about.rings) or None
    notice.relations = [] if about.by_hand else sorted(about.relations) or None
    act.session.flush()
    return notice


def _template_version(act: Transaction, kind: str, language: Language, text: NoticeText) -> int:
    known = act.session.scalars(
        sa.select(TemplateVersion).where(TemplateVersion.digest == text.template_digest),
    ).one_or_none()
    if known is not None:
        return known.id
    newest = sa.select(sa.func.max(TemplateVersion.version)).where(
        TemplateVersion.kind == kind, TemplateVersion.language == language
    )
    row = TemplateVersion(
        kind=kind,
        language=language,
        version=1 + (act.session.scalar(newest) or 0),
        texts=dict(text.template_texts),
        digest=text.template_digest,
        written_by=act.actor,
        at=act.now,
    )
    act.session.add(row)
    act.session.flush()
    return row.id


def _void_waves(act: Transaction, incident_id: IncidentId, notice: Notice) -> None:
    """Let waves that have not started follow the new version; whatever was approved or asked for no longer holds."""
    if has_open_request(act.session, Subject.NOTICE, notice.id):
        void_approvals(act, incident_id, Subject.NOTICE, notice.id)
    waiting = act.session.scalars(
        sa.select(Campaign).where(
            Campaign.notice_id == notice.id,
            Campaign.status.in_([CampaignStatus.FROZEN, CampaignStatus.AWAITING_APPROVAL, CampaignStatus.APPROVED]),
        ),
    )
    for campaign in waiting:
        campaign.notice_version = notice.current_version
        if campaign.status is not CampaignStatus.FROZEN:
            campaign.status = next_campaign_status(campaign.status, CampaignEvent.APPROVAL_VOIDED)
            campaign.approved_digest = None
            void_approvals(act, incident_id, Subject.CAMPAIGN, campaign.id)


def list_notices(engine: Engine, incident_id: IncidentId) -> list[NoticeView]:
    """Return the notices of an incident in their current versions."""
    with reading(engine) as session:
        rows = session.scalars(sa.select(Notice).where(Notice.incident_id == incident_id).order_by(Notice.id))
        return [_view(session, row) for row in rows]


def get_notice(engine: Engine, incident_id: IncidentId, notice_id: NoticeId) -> NoticeView:
    """Return one notice of this incident; NotFound otherwise."""
    with reading(engine) as session:
        return _view(session, _get(session, incident_id, notice_id))


def preview(engine: Engine, incident_id: IncidentId, notice_id: NoticeId, customer_number: str) -> tuple[str, str, str]:
    """Write one person's copy: subject, text and html as they would be sent, with a sample reference code (E3)."""
    with reading(engine) as session:
        notice = _get(session, incident_id, notice_id)
        determination = newest_determination(session, incident_id)
        customer, pattern = _affected(session, determination.id, customer_number)
        version = _versions(session, notice)[customer.language]
        sets = items_by_set(session, {pattern.item_set_id, pattern.confirmed_item_set_id})
        confirmed = sets[pattern.confirmed_item_set_id]
        shared = shared_facts(session, determination)
        facts = personal_facts(
            name=_name_of(session, customer.id),
            kind=customer.kind,
            relation=customer.relation,
            language=customer.language,
            confirmed=personal_items(confirmed),
            possible=personal_items(item for item in sets[pattern.item_set_id] if item not in confirmed),
            harms=shared.harms,
            desk_note=shared.desk_notes.get(customer.relation),
            token="0" * 24,
            cleared=notice.purpose is Purpose.ALL_CLEAR,
        )
    text = PersonalText.compile(version.text, html=False, language=version.language)
    html = PersonalText.compile(version.html, html=True, language=version.language)
    return version.subject, text.fill(facts), html.fill(facts)


@dataclass(frozen=True, kw_only=True)
class SharedFacts:
    """What the personal part of a notice draws from the incident rather than from the person."""

    harms: frozenset[Harm]
    desk_notes: Mapping[Relation, Words]
    """Where people of some relations turn to instead of the desk that the text names."""


def shared_facts(session: Session, determination: ImpactDetermination) -> SharedFacts:
    """Return the facts of a determination that every copy of its notices shares."""
    policies = pinned(session, IncidentId(determination.incident_id), [PlaybookKind.POLICY])
    notes: dict[Relation, Words] = {}
    if policies:
        policy = read_policy(policies[-1].content, file=policies[-1].code)
        usual = policy.desk_for(Relation.CUSTOMER)
        notes = {relation: policy.desk_for(relation).note for relation in Relation}
        notes = {relation: note for relation, note in notes.items() if note != usual.note}
    scope = read_scope(session, ScopeId(determination.scope_id))
    return SharedFacts(harms=scope.harms, desk_notes=notes)


def _affected(session: Session, determination_id: int, customer_number: str) -> tuple[Customer, ImpactPattern]:
    customer = session.scalars(sa.select(Customer).where(Customer.customer_number == customer_number)).one_or_none()
    pattern_id = pattern_of(session, determination_id, customer.id) if customer else None
    pattern = session.get(ImpactPattern, pattern_id) if pattern_id is not None else None
    if customer is None or pattern is None or pattern.certainty is Certainty.RULED_OUT:
        raise NotFound(what="person to inform", name=customer_number)
    return customer, pattern


def _name_of(session: Session, customer_id: int) -> str:
    name = session.scalars(
        sa.select(CustomerContact.name)
        .where(CustomerContact.customer_id == customer_id, CustomerContact.valid_until.is_(None))
        .limit(1),
    ).one_or_none()
    return name or ""


def items_by_set(session: Session, set_ids: set[int]) -> dict[int, tuple[DataItem, ...]]:
    """Return the data items of each set, in the order of the policy."""
    inventory = inventory_with(session, ())  # an item that was retired since is told of too
    sets = item_codes(session, set_ids)
    return {
        set_id: tuple(item for item in inventory.items if item.code in set(codes)) for set_id, codes in sets.items()
    }


def personal_items(items: Iterable[DataItem]) -> tuple[PersonalItem, ...]:
    """Return the items as a notice names them."""
    return tuple(PersonalItem(name=Words(ja=item.name_ja, en=item.name_en), flags=item.flags) for item in items)


def _get(session: Session, incident_id: IncidentId, notice_id: NoticeId) -> Notice:
    notice = session.get(Notice, notice_id)
    if notice is None or notice.incident_id != incident_id:
        raise NotFound(what="notice", name=notice_id)
    return notice


def _versions(session: Session, notice: Notice) -> dict[Language, NoticeVersion]:
    rows = session.scalars(
        sa.select(NoticeVersion).where(
            NoticeVersion.notice_id == notice.id, NoticeVersion.version == notice.current_version
        ),
    )
    return {row.language: row for row in rows}


def _view(session: Session, notice: Notice) -> NoticeView:
    versions = _versions(session, notice)
    return NoticeView(
        id=NoticeId(notice.id),
        incident_id=IncidentId(notice.incident_id),
        kind=notice.kind,
        title=notice.title,
        version=notice.current_version,
        written_at=next(iter(versions.values())).at,
        facts={language: dict(row.facts) if isinstance(row.facts, dict) else {} for language, row in versions.items()},
        texts={language: (row.subject, row.text, row.html) for language, row in versions.items()},
        findings=findings_of(session, notice),
        waived=waivers_of(session, notice),
    )
