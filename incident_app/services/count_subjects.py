"""Whose number a number is, in words: a code is for commands, people read a name."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.entrusting import customer_of_subject
from incident_app.domain.ids import IncidentId
from incident_app.domain.report_shares import ref_of_subject
from incident_app.domain.words import Words
from incident_app.persistence.customers import Customer
from incident_app.persistence.obligations import Obligation
from incident_app.services.facts import CALIFORNIA, MY_NUMBER
from incident_app.services.transaction import reading

KNOWN = {
    MY_NUMBER: Words(ja="マイナンバーが影響を受けた人", en="People whose My Number is affected"),
    CALIFORNIA: Words(ja="カリフォルニア州の住民", en="Residents of California"),
}


def subject_names(engine: Engine, incident_id: IncidentId, subjects: Collection[str]) -> dict[str, Words]:
    """Return the names of those subjects of numbers that have one; a code of somebody's own has none."""
    with reading(engine) as session:
        found = {subject: words for subject, words in KNOWN.items() if subject in subjects}
        return found | _customers(session, subjects) | _recipients(session, incident_id, subjects)


def _customers(session: Session, subjects: Collection[str]) -> dict[str, Words]:
    """Name entrusting customers by their numbers, as the register of duties does: their names may be erased."""
    wanted = {key: subject for subject in subjects if (key := customer_of_subject(subject)) is not None}
    rows = session.execute(sa.select(Customer.id, Customer.customer_number).where(Customer.id.in_(sorted(wanted))))
    return {
        wanted[key]: Words(
            ja=f"利用企業 {number} が委託したデータの本人", en=f"People in the data entrusted by customer {number}"
        )
        for key, number in rows
    }


def _recipients(session: Session, incident_id: IncidentId, subjects: Collection[str]) -> dict[str, Words]:
    wanted = {ref: subject for subject in subjects if (ref := ref_of_subject(subject)) is not None}
    rows = session.execute(
        sa.select(Obligation.addressee_ref, Obligation.addressee).where(
            Obligation.incident_id == incident_id, Obligation.addressee_ref.in_(sorted(wanted))
        )
    )
    return {
        wanted[ref]: Words(ja=f"{addressee['ja']}へ報告する分の本人", en=f"People reported to: {addressee['en']}")
        for ref, addressee in rows
        if isinstance(addressee, dict)
    }
