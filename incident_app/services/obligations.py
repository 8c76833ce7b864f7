"""Duties of an incident: derived anew after each determination, superseded visibly, fulfilled, or waived by two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.calendars import ClosedDays, read_closures
from incident_app.domain.digests import digest_of
from incident_app.domain.entrusting import EntrustingCustomer
from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.events import ObligationFulfilled, ObligationsDerived, ObligationWaived
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.incidents import AWARENESS, DETECTION
from incident_app.domain.obligations import LIVE, POLICY_REGIME, Clock, DerivedObligation, IncidentFacts, derive
from incident_app.domain.policies import read_policy
from incident_app.domain.regimes import Regime, read_regime, valid_on
from incident_app.domain.vocabulary import DutyStatus, FulfilmentKind, Subject
from incident_app.persistence.obligations import Obligation, ObligationFulfilment
from incident_app.persistence.timeline import TextRow
from incident_app.services import impact, incidents, people
from incident_app.services.approvals import NotApproved, find_grant, open_request
from incident_app.services.clocks import clocks_of_acts
from incident_app.services.entrusting import entrusting_customers, everybody_told, one_by_one
from incident_app.services.facts import decided_facts, gather_facts
from incident_app.services.impact import Determined
from incident_app.services.playbooks import Playbook, PlaybookKind, pinned
from incident_app.services.reconciling import reconcile, take_up_again, withdraw_requests
from incident_app.services.thresholds import remember_crossings
from incident_app.services.transaction import Transaction, reading, transaction

JST = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, kw_only=True)
class ObligationView:
    """A duty as pages show it."""

    id: int
    regime: str
    rule: str
    stage: str
    title_ja: str
    title_en: str
    addressee_kind: str
    addressee_ref: str
    addressee_ja: str
    addressee_en: str
    status: DutyStatus
    due_at: datetime | None
    deadline_state: str
    provisional: bool
    guideline: bool
    internal_target_at: datetime | None
    calculation_ja: tuple[str, ...]
    calculation_en: tuple[str, ...]
    because_ja: str
    because_en: str
    decide_ja: str | None
    decide_en: str | None
    source: str
    confidence: str
    form: str | None
    first_filed_at: datetime | None
    was_due_at: datetime | None
    """What it was due when it was first filed: that decided whether it was late, for ever (C9)."""
    was_late: bool | None
    derived_at: datetime

    @property
    def is_live(self) -> bool:
        """True while something is still to be done or decided."""
        return self.status in LIVE


def determine_and_derive(
    engine: Engine, incident_id: IncidentId, *, designated_operator: bool = False, actor: Actor, now: datetime
) -> Determined:
    """Determine the impact of the newest scope, bring the people to inform in step, and derive the duties."""
    determined = impact.determine_impact(engine, incident_id, actor=actor, now=now)
    people.list_people(engine, incident_id, actor=actor, now=now)
    derive_obligations(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)
    return determined


def derive_if_determined(
    engine: Engine, incident_id: IncidentId, *, designated_operator: bool = False, actor: Actor, now: datetime
) -> None:
    """Derive the duties anew when there is a determination; otherwise there is nothing to derive from."""
    with reading(engine) as session:
        if not is_determined(session, incident_id):
            return
    derive_obligations(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)


def is_determined(session: Session, incident_id: IncidentId) -> bool:
    """Tell whether there is a determination to derive duties from."""
    try:
        people.newest_determination(session, incident_id)
    except NotFound:
        return False
    return True


def derive_obligations(
    engine: Engine, incident_id: IncidentId, *, designated_operator: bool = False, actor: Actor, now: datetime
) -> None:
    """Derive every duty from the facts as they are now.

    Unchanged duties stay, changed ones are superseded by a successor, vanished ones without one; nothing is removed.
    """
    with reading(engine) as session:  # looked up before the act: nobody waits for it
        entrusting = entrusting_customers(session, incident_id)
    with transaction(engine, actor=actor, now=now) as act:
        derive_inside(act, incident_id, entrusting, designated_operator=designated_operator)


def derive_inside(
    act: Transaction, incident_id: IncidentId, entrusting: Sequence[EntrustingCustomer], *, designated_operator: bool
) -> None:
    """Derive every duty inside a larger act, such as a filing from which others count."""
    determination = people.newest_determination(act.session, incident_id)
    remember_crossings(act, incident_id)
    facts = gather_facts(act.session, incident_id, determination, designated_operator=designated_operator)
    derived, versions = derived_from(act.session, incident_id, facts=facts, entrusting=entrusting)
    done = reconcile(act, incident_id, derived, versions, determination)
    act.record(
        ObligationsDerived(
            added=done.added,
            superseded=done.superseded,
            kept=done.kept,
            digest=digest_of([[duty.key, duty.content()] for duty in derived]),
        ),
        incident=incident_id,
    )


def derived_from(
    session: Session,
    incident_id: IncidentId,
    *,
    facts: IncidentFacts,
    entrusting: Sequence[EntrustingCustomer] | None = None,
) -> tuple[tuple[DerivedObligation, ...], Mapping[str, int]]:
    """Return the duties that follow from facts, and the pinned version of each regime; nothing is stored.

    Customers who entrusted data are those of the newest determination, unless the caller has looked them up.
    """
    row = incidents.get_row(session, incident_id)
    clocks = {subject: Clock(at=clock.at) for subject, clock in incidents.newest_clocks(session, incident_id).items()}
    aware = clocks.get(AWARENESS, Clock(at=None))
    clocks[AWARENESS] = Clock(at=aware.at, provisional_at=clocks.get(DETECTION, Clock(at=row.detected_at)).at)
    clocks |= clocks_of_acts(session, incident_id)
    regimes, versions = _pinned_regimes(session, incident_id, (aware.at or row.detected_at).astimezone(JST))
    policies = pinned(session, incident_id, [PlaybookKind.POLICY])
    versions |= {POLICY_REGIME: policies[-1].id}
    policy = read_policy(policies[-1].content, file=policies[-1].code)
    customers = entrusting_customers(session, incident_id) if entrusting is None else entrusting
    decided = decided_facts(session, incident_id).get("entrusting_party_told")
    if decided is None and everybody_told(customers):
        facts = replace(facts, entrusting_party_told=True)
    derived = derive(
        facts,
        regimes=regimes,
        commitments=policy.commitments,
        clocks=clocks,
        calendars=_calendars(pinned(session, incident_id, [PlaybookKind.CLOSURE])),
        entrusting=one_by_one(customers, decided=decided),
    )
    return derived, versions


def _pinned_regimes(
    session: Session, incident_id: IncidentId, aware_at: datetime
) -> tuple[Sequence[Regime], dict[str, int]]:
    playbooks = pinned(session, incident_id, [PlaybookKind.REGIME])
    regimes = valid_on((read_regime(playbook.content, file=playbook.code) for playbook in playbooks), aware_at.date())
    return regimes, {playbook.code: playbook.id for playbook in playbooks}


def _calendars(playbooks: Sequence[Playbook]) -> Mapping[str, ClosedDays]:
    return {playbook.code: read_closures(playbook.content, file=playbook.code) for playbook in playbooks}


def list_obligations(
    engine: Engine, incident_id: IncidentId, *, superseded: bool = False, regime: str | None = None
) -> list[ObligationView]:
    """Return the duties of an incident, the nearest due first, then those without a date; or those of one regime."""
    with reading(engine) as session:
        if regime is not None and regime not in _regimes_of(session, incident_id):
            raise NotFound(what="regime", name=regime)
        query = sa.select(Obligation).where(Obligation.incident_id == incident_id).order_by(Obligation.id)
        if not superseded:
            query = query.where(Obligation.status != DutyStatus.SUPERSEDED)
        if regime is not None:
            query = query.where(Obligation.regime == regime)
        rows = [_view(row) for row in session.scalars(query)]
    return sorted(
        rows,
        key=lambda view: (
            not view.is_live,
            view.due_at is None,
            view.due_at or view.internal_target_at or datetime.max.replace(tzinfo=JST),
            view.id,
        ),
    )


def _regimes_of(session: Session, incident_id: IncidentId) -> set[str]:
    return {POLICY_REGIME, *(text.code for text in pinned(session, incident_id, [PlaybookKind.REGIME]))}


def get_obligation(session: Session, incident_id: IncidentId, obligation_id: int) -> Obligation:
    """Return a duty of this incident; NotFound otherwise."""
    row = session.get(Obligation, obligation_id)
    if row is None or row.incident_id != incident_id:
        raise NotFound(what="obligation", name=obligation_id)
    return row


def ask_waiver(
    engine: Engine, incident_id: IncidentId, obligation_id: int, *, reason: str, actor: Actor, now: datetime
) -> int:
    """Ask a second person to judge a duty not required; return the number of the request (C8).

    A request that was not decided yet is withdrawn, and the timeline says so: only the newest reason is judged.
    """
    if not reason.strip():
        raise BadInput(field="reason", problem="say why this is not required")
    with transaction(engine, actor=actor, now=now) as act:
        row = get_obligation(act.session, incident_id, obligation_id)
        if row.status not in LIVE:
            raise IllegalMove(thing="obligation", state=row.status, event="ask_waiver")
        withdraw_requests(act, row)
        text = act.keep_text(reason)
        row.waiver_text_id = text.id
        return open_request(
            act, incident_id, Subject.WAIVER, obligation_id, digest_of([obligation_id, row.because, text.digest])
        )


def waiver_reason(engine: Engine, incident_id: IncidentId, obligation_id: int) -> str:
    """Return why somebody asked to judge a duty not required; empty when nobody did."""
    with reading(engine) as session:
        row = get_obligation(session, incident_id, obligation_id)
        text = session.get(TextRow, row.waiver_text_id) if row.waiver_text_id else None
        return (text.body or "") if text else ""


def waive(engine: Engine, incident_id: IncidentId, obligation_id: int, *, actor: Actor, now: datetime) -> None:
    """Mark a duty not required after a second person has granted it. Without the grant the database refuses too."""
    with transaction(engine, actor=actor, now=now) as act:
        row = get_obligation(act.session, incident_id, obligation_id)
        text = act.session.get_one(TextRow, row.waiver_text_id) if row.waiver_text_id else None
        if text is None or row.status not in LIVE:
            raise NotApproved
        grant = find_grant(
            act.session, Subject.WAIVER, obligation_id, digest_of([obligation_id, row.because, text.digest])
        )
        if grant is None:
            raise NotApproved
        row.status, row.waiver_decision_id = DutyStatus.WAIVED, grant.id
        act.record(
            ObligationWaived(
                obligation_id=obligation_id, rule=row.rule_code, reason_digest=text.digest, decision_id=grant.id
            ),
            incident=incident_id,
        )


def fulfil(act: Transaction, row: Obligation, *, kind: FulfilmentKind, reference: str, at: datetime) -> None:
    """Mark a duty fulfilled inside a larger act; whether it was late is judged at the first filing and stays (C9).

    What was done goes before the judgement that it is not required: a waived duty gets a successor, which is fulfilled.
    """
    if row.status is DutyStatus.WAIVED:
        row = take_up_again(act, row)
    act.session.add(ObligationFulfilment(obligation_id=row.id, kind=kind, reference=reference, at=at))
    if row.first_filed_at is None:
        row.first_filed_at, row.was_due_at = at, row.due_at
        row.was_late = row.due_at is not None and at > row.due_at
    row.status = DutyStatus.FULFILLED
    act.record(
        ObligationFulfilled(obligation_id=row.id, rule=row.rule_code, by=kind, was_late=bool(row.was_late)),
        incident=IncidentId(row.incident_id),
        occurred_at=at,
    )


def _in(words: object, language: str) -> str | None:
    return words.get(language) if isinstance(words, dict) else None


def _view(row: Obligation) -> ObligationView:
    calculation = row.calculation if isinstance(row.calculation, dict) else {}
    return ObligationView(
        id=row.id,
        regime=row.regime,
        rule=row.rule_code,
        stage=row.stage,
        title_ja=_in(row.title, "ja") or "",
        title_en=_in(row.title, "en") or "",
        addressee_kind=row.addressee_kind,
        addressee_ref=row.addressee_ref,
        addressee_ja=_in(row.addressee, "ja") or "",
        addressee_en=_in(row.addressee, "en") or "",
        status=row.status,
        due_at=row.due_at,
        deadline_state=row.deadline_state,
        provisional=row.provisional,
        guideline=row.guideline,
        internal_target_at=row.internal_target_at,
        calculation_ja=tuple(calculation.get("ja", ())),
        calculation_en=tuple(calculation.get("en", ())),
        because_ja=_in(row.because, "ja") or "",
        because_en=_in(row.because, "en") or "",
        decide_ja=_in(row.decide, "ja"),
        decide_en=_in(row.decide, "en"),
        source=row.source,
        confidence=row.confidence,
        form=row.form,
        first_filed_at=row.first_filed_at,
        was_due_at=row.was_due_at,
        was_late=row.was_late,
        derived_at=row.derived_at,
    )
