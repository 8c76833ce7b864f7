"""Corrected addresses: where the new one comes from, and what must be said before it is used."""

from __future__ import annotations

from enum import StrEnum

from incident_app.domain.errors import BadInput, IncidentAppError


class AddressSource(StrEnum):
    """How we know the new address."""

    TOLD_BY_PERSON = "told_by_person"
    OWN_RECORDS = "own_records"
    RETURNED_LETTER = "returned_letter"
    ENTRUSTING_PARTY = "entrusting_party"


class SameAddress(IncidentAppError):
    """This person has that address already. Nothing was changed."""

    ja = "この人の宛先は、すでにそのアドレスです。何も変えていません。"


class ComplaintStands(IncidentAppError):
    """{people} of these people complained about our mail. Say that you know (`--despite-complaint`), or leave them out.

    Their complaint stays on record; a notice that the law demands may still be sent.
    """

    ja = (
        "{people}人は、当社のメールについて苦情を寄せています。承知の上で直すことを示すか、一覧から除いてください。"
        "苦情の記録は残ります。法令に基づく通知は送ることができます。"
    )


def check_source(source: str, reason: str) -> AddressSource:
    """Refuse a correction of which nobody says where the address comes from and why it is right."""
    if source not in set(AddressSource):
        raise BadInput(field="source", problem="say where the new address comes from")
    if not reason.strip():
        raise BadInput(field="reason", problem="say how you know")
    return AddressSource(source)
