"""The facts of an incident that regimes ask for: computed from scope and impact, or decided by a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput
from incident_app.domain.events import FactDecided
from incident_app.domain.ids import Actor, IncidentId, ScopeId
from incident_app.domain.inventory import Inventory
from incident_app.domain.known_facts import ASKED_DESIGNATIONS, DECIDABLE, DESIGNATIONS
from incident_app.domain.obligations import IncidentFacts
from incident_app.domain.policies import Policy, read_policy
from incident_app.domain.responses import read_response
from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import BusinessLine, Cause, Certainty, ItemFlag, OurRole, Relation
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.obligations import FactDecision
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.person_counts import number_for_law
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.scopes import read_scope
from incident_app.services.transaction import reading, transaction

EXCLUSIVE = {"high_risk_to_people": "no_risk_to_people", "no_risk_to_people": "high_risk_to_people"}
"""Facts that cannot both hold."""
MY_NUMBER, CALIFORNIA = "my-number", "california"
"""Subjects of counts that thresholds of their own compare: `count set INC NUMBER --subject california`."""


def gather_facts(
    session: Session, incident_id: IncidentId, determination: ImpactDetermination, *, designated_operator: bool
) -> IncidentFacts:
    """Put together what is known; what nobody has decided yet stays None."""
    summary = determination.summary if isinstance(determination.summary, dict) else {}
    count = number_for_law(session, incident_id)
    return facts_of(
        session,
        incident_id,
        scope=read_scope(session, ScopeId(determination.scope_id)),
        inventory=read_inventory_snapshot(session, determination.inventory_digest),
        summary=summary,
        people=count.value if count else affected_in(summary),
        designated_operator=designated_operator,
    )


def affected_in(summary: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many customers a summary counts as affected, surely or possibly."""
    by_certainty = summary.get("by_certainty", {})
    return by_certainty.get(Certainty.CONFIRMED, 0) + by_certainty.get(Certainty.ASSUMED, 0)


def facts_of(
    session: Session,
    incident_id: IncidentId,
    *,
    scope: Scope,
    inventory: Inventory,
    summary: Mapping[str, Mapping[str, int]],
    people: int,
    designated_operator: bool,
) -> IncidentFacts:
    """Put together the facts of an answer, stored or only previewed; what people decided goes before."""
    policy = _pinned_policy(session, incident_id)
    numbered = summary.get("by_flag", {}).get(ItemFlag.MY_NUMBER, 0)
    my_numbers = _counted(session, incident_id, MY_NUMBER, otherwise=numbered)
    computed = _computed(scope, inventory, summary, policy)
    # Somebody may find My Numbers where no item of the register is one, as on copies of resident records.
    found = frozenset({ItemFlag.MY_NUMBER}) if my_numbers else frozenset()
    facts = replace(
        computed,
        people=people,
        flags=(computed.flags or frozenset()) | found,
        my_number_people=my_numbers,
        california_people=_counted(session, incident_id, CALIFORNIA, otherwise=None),
        improper_purpose=_improper_purpose(session, incident_id, scope),
    )
    known = _designations(policy, designated_operator=designated_operator)
    # Names are checked when a policy is read and when a fact is decided.
    return replace(facts, **known | decided_facts(session, incident_id))  # type: ignore[arg-type]


def _computed(
    scope: Scope, inventory: Inventory, summary: Mapping[str, Mapping[str, int]], policy: Policy | None
) -> IncidentFacts:
    items = {inventory.item(code) for code in summary.get("by_item", {})}
    bare = frozenset(ItemFlag(flag) for flag in summary.get("by_flag", {}))
    touched = [inventory.store(entry.store) for entry in scope.stores if entry.certainty is not Certainty.RULED_OUT]
    # A scope of lists alone names our own customers: for them we answer ourselves.
    return IncidentFacts(
        anybody_affected=affected_in(summary) > 0,
        flags=bare,
        relations=frozenset(Relation(word) for word in summary.get("by_relation", {})),
        jurisdictions=frozenset(summary.get("by_jurisdiction", {})),
        our_roles=frozenset(store.our_role for store in touched) or frozenset({OurRole.OWN_CONTROLLER}),
        business_lines=frozenset(store.business_line for store in touched) or _main_business(policy),
        harms=scope.harms,
        rings=frozenset(Certainty(word) for word in summary.get("by_certainty", {}) if word != Certainty.RULED_OUT),
        categories=frozenset(summary.get("by_category", {})),
        items=frozenset(summary.get("by_item", {})),
        payable_combination=_payable(bare),
        encryption_exempt=_encryption_exempt(items, summary),
        communications_secrecy=None if any(ItemFlag.COMMUNICATIONS_SECRECY in item.flags for item in items) else False,
        high_risk_to_people=True if ItemFlag.CARD_NUMBER in bare else None,
    )


def _pinned_policy(session: Session, incident_id: IncidentId) -> Policy | None:
    policies = pinned(session, incident_id, [PlaybookKind.POLICY])
    return read_policy(policies[-1].content, file=policies[-1].code) if policies else None


def _main_business(policy: Policy | None) -> frozenset[BusinessLine] | None:
    """Return the company's main line of business: what counts when the scope names people and no store."""
    return frozenset({policy.business_line}) if policy else None


def unsaid_designations(policy: Policy | None) -> frozenset[str]:
    """Return what the company may be and its policy does not speak of: open, and never a silent no."""
    return frozenset() if policy and policy.states_designations else ASKED_DESIGNATIONS


def _designations(policy: Policy | None, *, designated_operator: bool) -> dict[str, bool | None]:
    """Return what the company is, as its policy says; the setting adds to it. What it does not say may be open."""
    ours, unsaid = policy.designations if policy else frozenset(), unsaid_designations(policy)
    known = {word: None if word in unsaid else word in ours for word in DESIGNATIONS}
    return known | {"designated_operator": designated_operator or known["designated_operator"]}


def _counted(session: Session, incident_id: IncidentId, subject: str, *, otherwise: int | None) -> int | None:
    """Return the number that somebody counted under a subject of its own, else what the impact says."""
    count = number_for_law(session, incident_id, subject)
    return count.value if count else otherwise


def _payable(bare: frozenset[ItemFlag]) -> bool | None:
    """Say yes to a card number alone (Q&A 6-12); leave credentials of a service that sells to a person."""
    if ItemFlag.PAYABLE in bare or ItemFlag.CARD_NUMBER in bare:
        return True
    return None if ItemFlag.CREDENTIAL in bare else False


def _encryption_exempt(items: object, summary: Mapping[str, Mapping[str, int]]) -> bool | None:
    """Say no when something lay open; when everything was protected, somebody must decide whether the key is safe."""
    by_item, mitigated = summary.get("by_item", {}), summary.get("mitigated", {})
    if not affected_in(summary) or not items:
        return None
    everything_protected = all(mitigated.get(code, 0) == number for code, number in by_item.items())
    return None if everything_protected else False


def _improper_purpose(session: Session, incident_id: IncidentId, scope: Scope) -> bool | None:
    if scope.cause in {Cause.UNAUTHORISED_ACCESS, Cause.MALWARE}:
        return True
    for playbook in pinned(session, incident_id, [PlaybookKind.RESPONSE]):
        by_nature = read_response(playbook.content, file=playbook.code).improper_purpose
        if by_nature is not None:
            return by_nature
    return False if scope.cause is Cause.MISDIRECTED else None


def decided_facts(session: Session, incident_id: IncidentId) -> dict[str, bool]:
    """Return what people decided, the latest word of each fact."""
    rows = session.scalars(
        sa.select(FactDecision).where(FactDecision.incident_id == incident_id).order_by(FactDecision.id),
    )
    return {row.fact: row.value for row in rows}


def list_decided(engine: Engine, incident_id: IncidentId) -> dict[str, bool]:
    """Return what people decided about an incident."""
    with reading(engine) as session:
        return decided_facts(session, incident_id)


def decide_fact(
    engine: Engine, incident_id: IncidentId, fact: str, *, value: bool, reason: str, actor: Actor, now: datetime
) -> None:
    """Decide a fact that no rule can know, with the reason; duties follow when they are derived anew."""
    if fact not in DECIDABLE:
        raise BadInput(field="fact", problem=f"must be one of {', '.join(DECIDABLE)}")
    if not reason.strip():
        raise BadInput(field="reason", problem="say what the decision rests on")
    with transaction(engine, actor=actor, now=now) as act:
        if value and decided_facts(act.session, incident_id).get(EXCLUSIVE.get(fact, ""), False):
            raise BadInput(field="fact", problem="a risk cannot be both high and unlikely; decide the other one first")
        text = act.keep_text(reason)
        act.session.add(
            FactDecision(
                incident_id=incident_id,
                fact=fact,
                value=value,
                reason_text_id=text.id,
                decided_at=now,
                decided_by=actor,
            ),
        )
        act.record(FactDecided(fact=fact, value=value, reason_digest=text.digest), incident=incident_id)
