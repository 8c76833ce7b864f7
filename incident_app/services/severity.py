"""Assessing severity: inputs from the newest determination, decided further by people, stored with reasons (B9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import canonical_text
from incident_app.domain.errors import BadInput, IncidentAppError, NotFound, NothingYet
from incident_app.domain.events import SeverityAssessed
from incident_app.domain.ids import Actor, IncidentId, ScopeId
from incident_app.domain.severity import (
    ABSENT,
    RULES_VERSION,
    Adjustment,
    Assessment,
    Input,
    SeverityFacts,
    assess,
    check_adjustment,
    option_name,
    points,
    result_digest,
)
from incident_app.domain.severity_methods import Method, Part, read_method
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ItemFlag, Protection
from incident_app.domain.words import Words
from incident_app.persistence.impact import ImpactDetermination, ImpactPattern
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.playbooks import PlaybookVersion
from incident_app.persistence.severity import SeverityAssessment
from incident_app.persistence.timeline import TextRow
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.person_counts import number_for_law
from incident_app.services.playbooks import Playbook, PlaybookKind, newest, pinned
from incident_app.services.scopes import read_scope
from incident_app.services.transaction import Transaction, reading, transaction


class NobodyAffected(IncidentAppError):
    """The newest determination names nobody who is affected, so there is nothing to assess."""

    ja = "最新の判定では影響を受けた人がいないため、評価するものがありません。"


class MethodMissing(IncidentAppError):
    """No method of severity is loaded. Run `incident-app db upgrade`."""

    ja = "重大さの評価手法が読み込まれていません。管理者が incident-app db upgrade を実行してください。"


@dataclass(frozen=True, kw_only=True)
class OptionView:
    """One possible answer."""

    code: str
    name: Words
    chosen: bool
    derived: bool


@dataclass(frozen=True, kw_only=True)
class InputView:
    """One input as people read it."""

    question: str
    part: str
    name: Words
    options: tuple[OptionView, ...]
    needs_decision: bool
    decided_by_person: bool
    reason: Words
    persons_reason: str | None


@dataclass(frozen=True, kw_only=True)
class AssessmentView:
    """One stored assessment as people read it."""

    version: int
    determination_version: int
    method: Words
    method_version: str
    source: str
    lowest: str
    highest: str
    lowest_band: Words
    highest_band: Words
    meaning: Words
    inputs: tuple[InputView, ...]
    flags: tuple[Words, ...]
    undecided: int
    digest: str
    person_count_id: int | None
    at: datetime
    by: str
    is_current: bool
    """False when a newer determination exists: assess anew."""
    unchanged: bool = False


def assess_severity(
    engine: Engine,
    incident_id: IncidentId,
    *,
    decisions: Mapping[str, str] | None = None,
    reason: str = "",
    reset: Iterable[str] = (),
    actor: Actor,
    now: datetime,
) -> AssessmentView:
    """Assess the newest determination and store the answer; the same question again returns the stored one.

    `decisions` names answers by question, with one reason for them; what was decided before stays decided until it is
    decided anew or `reset`.
    """
    if decisions and not reason.strip():
        raise BadInput(field="reason", problem="say what the decision rests on")
    asked, forgotten = decisions or {}, frozenset(reset)
    with reading(engine) as session:
        question = _question(session, incident_id)
        for name, option in asked.items():
            check_adjustment(question.method, name, option)
        for name in forgotten:
            question.method.question(name)
        kept = {name: entry for name, entry in question.decided.items() if name not in forgotten | asked.keys()}
        if not asked and kept == question.decided and question.is_answered():
            return _view(session, question.newest, unchanged=True)
    with transaction(engine, actor=actor, now=now) as act:
        question = _question(act.session, incident_id)
        if asked:
            text = act.keep_text(reason.strip())
            decided = {"reason_text_id": text.id, "reason_digest": text.digest, "by": actor, "at": now}
            kept |= {name: {"option": option, **decided} for name, option in asked.items()}
        return _view(act.session, _store(act, incident_id, question, kept))


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is to be assessed: facts of the newest determination, by the method that the incident is pinned to."""

    determination_id: int
    playbook: Playbook
    method: Method
    facts: SeverityFacts
    person_count_id: int | None
    newest: SeverityAssessment | None
    decided: Mapping[str, Mapping[str, object]]

    def is_answered(self) -> bool:
        """Tell whether the newest assessment already answers exactly this."""
        if self.newest is None or self.newest.determination_id != self.determination_id:
            return False
        return self.newest.digest == self.answer(self.decided)[1]

    def answer(self, decided: Mapping[str, Mapping[str, object]]) -> tuple[Assessment, str]:
        """Return the answer and the digest of question and answer."""
        adjustments = _adjustments(decided)
        found = assess(self.method, self.facts, adjustments)
        return found, result_digest(self.playbook.digest, self.facts, adjustments, found)


def _question(session: Session, incident_id: IncidentId) -> _Question:
    determination = newest_determination(session, incident_id)
    playbook = _playbook(session, incident_id)
    row = _newest(session, incident_id)
    method = read_method(playbook.content, file=playbook.code)
    decided = dict(row.adjustments) if row is not None and isinstance(row.adjustments, dict) else {}
    known = {question.code: {option.code for option in question.options} for question in method.questions}
    count = number_for_law(session, incident_id)
    return _Question(
        determination_id=determination.id,
        playbook=playbook,
        method=method,
        facts=_facts(session, determination, count.value if count else 0),
        person_count_id=count.id if count else None,
        newest=row,
        decided={
            name: entry
            for name, entry in decided.items()
            if name in known and entry["option"] in {*known[name], ABSENT}  # a newer method may ask otherwise
        },
    )


def _playbook(session: Session, incident_id: IncidentId) -> Playbook:
    """Return the method that the incident keeps; one that was opened before there was any takes the newest."""
    found = pinned(session, incident_id, [PlaybookKind.SEVERITY]) or newest(session, PlaybookKind.SEVERITY)
    if not found:
        raise MethodMissing
    return found[-1]


def _newest(session: Session, incident_id: IncidentId, version: int | None = None) -> SeverityAssessment | None:
    query = sa.select(SeverityAssessment).where(SeverityAssessment.incident_id == incident_id)
    if version is not None:
        query = query.where(SeverityAssessment.version == version)
    return session.scalars(query.order_by(SeverityAssessment.version.desc()).limit(1)).one_or_none()


def _facts(session: Session, determination: ImpactDetermination, people: int) -> SeverityFacts:
    """Read what the patterns say; items that lay protected count, because the method scores the data itself."""
    patterns = session.scalars(
        sa.select(ImpactPattern).where(
            ImpactPattern.determination_id == determination.id, ImpactPattern.certainty != Certainty.RULED_OUT
        ),
    ).all()
    sets = item_codes(session, {pattern.item_set_id for pattern in patterns})
    inventory = read_inventory_snapshot(session, determination.inventory_digest)
    open_items, items = set(), set()
    for pattern in patterns:
        safe = {code for code, how in dict(pattern.mitigated).items() if how == Protection.ENCRYPTED_KEY_ELSEWHERE}
        items |= set(sets[pattern.item_set_id])
        open_items |= set(sets[pattern.item_set_id]) - safe
    if not items:
        raise NobodyAffected
    scope = read_scope(session, ScopeId(determination.scope_id))
    return SeverityFacts(
        flags=frozenset(flag for code in items for flag in inventory.item(code).flags),
        categories=frozenset(inventory.item(code).category for code in items),
        harms=scope.harms,
        cause=scope.cause,
        people=people,
        items=len(items),
        unintelligible_items=len(items - open_items),
    )


def _store(
    act: Transaction, incident_id: IncidentId, question: _Question, decided: Mapping[str, Mapping[str, object]]
) -> SeverityAssessment:
    found, digest = question.answer(decided)
    row = SeverityAssessment(
        incident_id=incident_id,
        version=1 + (question.newest.version if question.newest else 0),
        determination_id=question.determination_id,
        playbook_version_id=question.playbook.id,
        person_count_id=question.person_count_id,
        rules_version=RULES_VERSION,
        facts=asdict(question.facts),
        adjustments={name: dict(entry) for name, entry in decided.items()},
        result=asdict(found),
        lowest_quarters=found.lowest_quarters,
        highest_quarters=found.highest_quarters,
        digest=digest,
        at=act.now,
        by=act.actor,
    )
    act.session.add(row)
    act.session.flush()
    act.session.refresh(row)  # as it is stored: what a page shows is what was written
    act.record(
        SeverityAssessed(
            version=row.version,
            lowest=points(found.lowest_quarters),
            highest=points(found.highest_quarters),
            undecided=found.undecided,
            digest=digest,
        ),
        incident=incident_id,
    )
    return row


def verify_severity(engine: Engine, incident_id: IncidentId) -> dict[int, bool]:
    """Re-run every stored assessment from its stored inputs; say for each whether the same answer comes out."""
    with reading(engine) as session:
        rows = session.scalars(
            sa.select(SeverityAssessment)
            .where(SeverityAssessment.incident_id == incident_id)
            .order_by(SeverityAssessment.version),
        ).all()
        return {row.version: _repeats(session, row) for row in rows}


def _repeats(session: Session, row: SeverityAssessment) -> bool:
    playbook = session.get_one(PlaybookVersion, row.playbook_version_id)
    facts, adjustments = _stored_facts(row), _adjustments(dict(row.adjustments))
    found = assess(read_method(playbook.content, file=playbook.code), facts, adjustments)
    return (
        result_digest(playbook.digest, facts, adjustments, found) == row.digest
        and canonical_text(found) == canonical_text(row.result)
        and (found.lowest_quarters, found.highest_quarters) == (row.lowest_quarters, row.highest_quarters)
    )


def _stored_facts(row: SeverityAssessment) -> SeverityFacts:
    stored = dict(row.facts)
    return SeverityFacts(
        flags=frozenset(ItemFlag(word) for word in stored["flags"]),
        categories=frozenset(stored["categories"]),
        harms=frozenset(Harm(word) for word in stored["harms"]),
        cause=Cause(stored["cause"]),
        people=stored["people"],
        items=stored["items"],
        unintelligible_items=stored["unintelligible_items"],
    )


def _adjustments(decided: Mapping[str, Mapping[str, object]]) -> dict[str, Adjustment]:
    return {
        name: Adjustment(option=str(entry["option"]), reason_digest=str(entry["reason_digest"]))
        for name, entry in decided.items()
    }


def get_severity(engine: Engine, incident_id: IncidentId, version: int | None = None) -> AssessmentView | None:
    """Return the newest assessment, or one version (NotFound otherwise); None before the first."""
    with reading(engine) as session:
        row = _newest(session, incident_id, version)
        if row is None and version is not None:
            raise NotFound(what="version of the severity", name=str(version))
        return None if row is None else _view(session, row)


def _view(session: Session, row: SeverityAssessment | None, *, unchanged: bool = False) -> AssessmentView:
    if row is None:
        raise NothingYet(what="assessment of severity")
    playbook = session.get_one(PlaybookVersion, row.playbook_version_id)
    method = read_method(playbook.content, file=playbook.code)
    found = assess(method, _stored_facts(row), _adjustments(dict(row.adjustments)))
    newest_id = newest_determination(session, IncidentId(row.incident_id)).id
    low, high = method.band(row.lowest_quarters), method.band(row.highest_quarters)
    return AssessmentView(
        version=row.version,
        determination_version=session.get_one(ImpactDetermination, row.determination_id).version,
        method=method.name,
        method_version=method.version,
        source=method.source,
        lowest=points(row.lowest_quarters),
        highest=points(row.highest_quarters),
        lowest_band=low.name,
        highest_band=high.name,
        meaning=high.meaning,
        inputs=tuple(_input_view(session, method, entry, dict(row.adjustments)) for entry in found.inputs),
        flags=tuple(flag.words for flag in found.flags),
        undecided=found.undecided,
        digest=row.digest,
        person_count_id=row.person_count_id,
        at=row.at,
        by=row.by,
        is_current=newest_id == row.determination_id,
        unchanged=unchanged,
    )


def _input_view(session: Session, method: Method, entry: Input, decided: Mapping[str, Any]) -> InputView:
    question = method.question(entry.question)
    codes = [option.code for option in question.options]
    if question.part is Part.CONTEXT:
        codes.append(ABSENT)
    by_person = entry.reason_digest is not None
    text = session.get(TextRow, decided[entry.question]["reason_text_id"]) if by_person else None
    return InputView(
        question=question.code,
        part=question.part,
        name=question.name,
        options=tuple(
            OptionView(
                code=code,
                name=option_name(question, code),
                chosen=code in entry.options,
                derived=code in entry.derived,
            )
            for code in codes
        ),
        needs_decision=entry.needs_decision,
        decided_by_person=by_person,
        reason=entry.reason,
        persons_reason=text.body if text else None,
    )
