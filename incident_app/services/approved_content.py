"""What the approver of a wave signs: its texts, its audience, the names of the items, and who wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.audience import AudienceDigest, campaign_digest
from incident_app.domain.digests import ContentDigest
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.notices import PersonalItem
from incident_app.domain.vocabulary import ItemFlag
from incident_app.domain.words import Words
from incident_app.persistence.inventory import DataItem
from incident_app.persistence.item_sets import item_codes
from incident_app.persistence.notices import NoticeVersion
from incident_app.persistence.outbox import Campaign, DeliveryRow
from incident_app.services.transaction import reading

AT_ONCE = 10_000


class LanguageMissing(IncidentAppError):
    """The notice has no text in {languages}, but people in this wave are written to in that language."""

    ja = "この波には {languages} で通知する人がいますが、その言語の通知文がありません。"


class AudienceAltered(IncidentAppError):
    """The messages of wave {wave} are not those that were put together for approval. Nothing is sent.

    Rows were altered outside the program: cancel this wave, fill another, and find out who changed the database.
    """

    ja = (
        "第{wave}波の宛先が、承認のために確定したものと一致しません。プログラムの外で書き換えられています。送信しません。"
        "この波を取りやめて新しい波を作成し、データベースを変更した者を調べてください。"
    )


class NamedItem(TypedDict):
    """A data item as the mails of a wave name it."""

    code: str
    ja: str
    en: str
    flags: list[str]


def names_of_items(session: Session, set_ids: Iterable[int]) -> list[NamedItem]:
    """Return the items of these sets, in the order of the policy, as they are named now."""
    used = {code for codes in item_codes(session, set_ids).values() for code in codes}
    return [name for name in _names_now(session) if name["code"] in used]


def items_in_mails(session: Session, campaign: Campaign) -> dict[str, PersonalItem]:
    """Return the items by code as the mails of a wave name them: as they were called when it was approved."""
    frozen = campaign.item_names if isinstance(campaign.item_names, list) else _names_now(session)
    return {
        name["code"]: PersonalItem(
            name=Words(ja=name["ja"], en=name["en"]), flags=frozenset(ItemFlag(flag) for flag in name["flags"])
        )
        for name in frozen
    }


def _names_now(session: Session) -> list[NamedItem]:
    rows = session.scalars(sa.select(DataItem).order_by(DataItem.position))
    return [NamedItem(code=row.code, ja=row.name_ja, en=row.name_en, flags=sorted(row.flags)) for row in rows]


def digest_of_rows(session: Session, campaign_id: int) -> ContentDigest:
    """Return the digest of everybody in a wave from its rows: whom they name, and whose address each will use."""
    lines = session.scalars(sa.text(_LINES).execution_options(yield_per=AT_ONCE), {"campaign": campaign_id})
    digest = AudienceDigest()
    for part in lines.partitions():
        digest.add_lines("\n".join(part) + "\n")
    return digest.finish()


_LINES = """
SELECT inside.person_id || ':' || inside.item_set_id || ':' || inside.confirmed_item_set_id || ':' ||
    contact.address_digest
FROM delivery_people inside
JOIN deliveries message ON message.id = inside.delivery_id
JOIN customer_contacts contact ON contact.id = message.contact_id
WHERE message.campaign_id = :campaign
ORDER BY inside.person_id
"""
"""The lines of `AudienceDigest`, written by the database: a row object for each of a million people costs more."""


def check_audience(engine: Engine, campaign_id: int) -> None:
    """Refuse a wave whose rows are not those that were frozen. It reads every row: never with the chain head held."""
    with reading(engine) as session:
        campaign = session.get(Campaign, campaign_id)
        if campaign is not None and digest_of_rows(session, campaign_id) != campaign.audience_digest:
            raise AudienceAltered(wave=campaign.wave_number)


def current_campaign_digest(session: Session, campaign_id: int) -> ContentDigest:
    """Return what an approver of this wave would sign now: its texts, audience and sender as they are."""
    campaign = session.get_one(Campaign, campaign_id)
    rows = session.execute(
        sa.select(NoticeVersion.language, NoticeVersion.content_digest).where(
            NoticeVersion.notice_id == campaign.notice_id, NoticeVersion.version == campaign.notice_version
        ),
    )
    return campaign_digest(
        audience=campaign.audience_digest or "",
        texts=dict(rows.all()),
        sender={"address": campaign.sender_address, "names": campaign.sender_name},
        when_uncertain=campaign.when_uncertain,
        item_names=campaign.item_names,
    )


def check_languages(session: Session, campaign: Campaign) -> None:
    """Refuse a wave that holds people in a language in which the notice has no text."""
    written = set(
        session.scalars(
            sa.select(NoticeVersion.language).where(
                NoticeVersion.notice_id == campaign.notice_id, NoticeVersion.version == campaign.notice_version
            ),
        ),
    )
    needed = set(
        session.scalars(sa.select(DeliveryRow.language).where(DeliveryRow.campaign_id == campaign.id).distinct()),
    )
    if missing := sorted(needed - written):
        raise LanguageMissing(languages=", ".join(missing))
