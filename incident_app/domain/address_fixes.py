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


class AddressClosed(IncidentAppError):
    """Mail to this address came back for good. Ask for another one, or lift the suppression with a reason first."""

    ja = "このアドレスへのメールは戻ってきています。別のアドレスを確かめるか、先に理由を付けて停止を解除してください。"


class AddressesRefused(IncidentAppError):
    """Nothing was corrected: the list has faulty lines.

    No mail address: {invalid}. Customer numbers that are not those of people to inform: {unknown}. Addresses to which
    mail came back for good: {closed}. People named twice: {doubled}.
    """

    ja = (
        "何も直していません。メールアドレスでない行：{invalid}。知らせる相手でない顧客番号の行：{unknown}。"
        "メールが戻ってきているアドレスの行：{closed}。同じ人が二度ある行：{doubled}。"
    )


class NotTwoColumns(IncidentAppError):
    """The first line of the file must name the columns customer_number and email. Correct it; nothing was stored."""

    ja = "1行目に customer_number と email の列名が必要です。直してください。何も保存していません。"
