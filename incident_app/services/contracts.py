"""What contracts with customers who entrusted data say about being told, and the clocks that follow from it (C11)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput
from incident_app.domain.events import ContractRecorded
from incident_app.domain.ids import Actor, IncidentId
from incident_app.domain.lengths import REFERENCE, check_length
from incident_app.persistence.parties import CustomerContract
from incident_app.services.entrusting import get_entrusting
from incident_app.services.obligations import derive_if_determined
from incident_app.services.transaction import reading, transaction

LONGEST_NOTICE = 8760
"""A year: beyond it a number of hours is a slip of the hand."""


def record_contract(
    engine: Engine,
    incident_id: IncidentId,
    customer_number: str,
    *,
    notice_hours: int | None,
    reference: str = "",
    designated_operator: bool = False,
    actor: Actor,
    now: datetime,
) -> None:
    """Record within how many hours a contract wants its customer told; the latest word counts, duties follow it."""
    if notice_hours is not None and not 1 <= notice_hours <= LONGEST_NOTICE:
        raise BadInput(field="hours", problem=f"a contract gives between 1 and {LONGEST_NOTICE} hours")
    check_length(reference, field="contract", longest=REFERENCE)
    with reading(engine) as session:
        customer = get_entrusting(session, incident_id, customer_number)
    with transaction(engine, actor=actor, now=now) as act:
        act.session.add(
            CustomerContract(
                customer_id=customer.customer_id,
                notice_hours=notice_hours,
                contract_reference=reference.strip(),
                recorded_at=now,
                recorded_by=actor,
            ),
        )
        act.record(ContractRecorded(customer_id=customer.customer_id, notice_hours=notice_hours), incident=incident_id)
    derive_if_determined(engine, incident_id, designated_operator=designated_operator, actor=actor, now=now)
