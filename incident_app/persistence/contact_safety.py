"""Which contacts a wave may use, who is left out of it and why, and the channels that other companies run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from incident_app.domain.contact_safety import ContactTerms, LeftOutBecause, RunChannel, reason_left_out
from incident_app.domain.returned_mail import CLOSED_TO, SuppressionReason
from incident_app.domain.vocabulary import Certainty, Channel, Purpose
from incident_app.persistence.bounces import closed_addresses
from incident_app.persistence.bulk import rows_with, stored_moment
from incident_app.persistence.database import Base, Key
from incident_app.persistence.impact import ImpactDetermination
from incident_app.persistence.incidents import ScopeStore
from incident_app.persistence.inventory import DataStore, ThirdParty
from incident_app.persistence.triggers import Refusal, refusing, set_once

STILL_RUN = sa.text("removed_at IS NULL")
_FROZEN = (
    "NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.id = {row}.campaign_id AND c.status = 'building')"  # as for messages
)
_OF_A_WAVE = refusing(
    Refusal(name="added", action="INSERT", condition=_FROZEN.format(row="NEW"), reason="the wave is frozen"),
    Refusal(name="changed", action="UPDATE", condition="1 = 1", reason="what a wave was filled with never changes"),
    Refusal(name="removed", action="DELETE", condition=_FROZEN.format(row="OLD"), reason="the wave is frozen"),
)


class PartyChannel(Base):
    """A channel that a company runs: our mail relay, a mailing house, a call centre, or the mail of one domain."""

    __tablename__ = "party_channels"
    __table_args__ = (
        sa.CheckConstraint("mail_domain = '' OR channel = 'email'", name="only_mail_has_a_domain"),
        sa.Index(
            "uq_party_channels_run",
            "party_id",
            "channel",
            "mail_domain",
            unique=True,
            sqlite_where=STILL_RUN,
            postgresql_where=STILL_RUN,
        ),
        {"info": set_once("removed_at", "removed_by")},
    )

    id: Mapped[Key]
    party_id: Mapped[int] = mapped_column(sa.ForeignKey("third_parties.id"))
    channel: Mapped[Channel]
    mail_domain: Mapped[str] = mapped_column(sa.String(254))
    """Empty when all of the channel runs through the company."""
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(sa.String(60))
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None] = mapped_column(sa.String(60))


class ChannelException(Base):
    """A wave uses a channel that a company runs at which the data leaked: why, as its approver sees it."""

    __tablename__ = "channel_exceptions"
    __table_args__ = (
        sa.PrimaryKeyConstraint("campaign_id", "party_channel_id"),
        {"info": _OF_A_WAVE},
    )

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    party_channel_id: Mapped[int] = mapped_column(sa.ForeignKey("party_channels.id"))
    reason_text_id: Mapped[int] = mapped_column(sa.ForeignKey("texts.id"))


class PersonLeftOut(Base):
    """A person whom the rule of a wave chose and who is in none of its messages: told by another channel, and why."""

    __tablename__ = "people_left_out"
    __table_args__ = (
        sa.PrimaryKeyConstraint("campaign_id", "person_id"),
        {"info": _OF_A_WAVE, "sqlite_with_rowid": False},
    )

    campaign_id: Mapped[int] = mapped_column(sa.ForeignKey("campaigns.id"))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people_to_inform.id"))
    because: Mapped[LeftOutBecause]


def changed_since(session: Session, contact: str, as_of: datetime) -> str:
    """Return the condition that the row `contact` of a contact holds an address other than that of the time.

    Of whom no address was known then, nothing is known to have changed; what a person of ours set is no attacker's.
    """
    moment = stored_moment(session, as_of)
    literal = f"'{moment}'" if isinstance(moment, str) else f"TIMESTAMPTZ '{as_of.isoformat()}'"
    then = (
        f"SELECT 1 FROM customer_contacts earlier WHERE earlier.customer_id = {contact}.customer_id "  # noqa: S608
        f"AND earlier.channel = 'email' AND earlier.valid_from <= {literal} "
        f"AND (earlier.valid_until IS NULL OR earlier.valid_until > {literal})"
    )
    same = f"EXISTS ({then} AND earlier.address_digest = {contact}.address_digest)"
    return f"({contact}.valid_from > {literal} AND {contact}.import_id IS NOT NULL AND EXISTS ({then}) AND NOT {same})"


def at_domains(contact: str, domains: Sequence[str]) -> str:
    """Return the condition that the address of the row `contact` is of one of these mail domains."""
    # No LIKE: the drivers read its per cent sign as a place for a value. Domains are checked: letters, digits, - and .
    each = [
        f"substr(lower({contact}.address), length({contact}.address) - {len(name)}) = '@{name}'" for name in domains
    ]
    return f"({' OR '.join(each)})"


def usable(session: Session, contact: str, terms: ContactTerms) -> str:
    """Return the condition that a wave on these terms may use the mail contact in the row `contact`."""
    conditions = [f"{contact}.channel = 'email' AND {contact}.valid_until IS NULL AND {contact}.address IS NOT NULL"]
    if terms.as_of is not None:
        conditions.append(f"NOT {changed_since(session, contact, terms.as_of)}")
    if terms.leaking_domains:
        conditions.append(f"NOT {at_domains(contact, terms.leaking_domains)}")
    return " AND ".join(conditions)


def why_left_out(
    session: Session, customer_ids: Collection[int], purpose: Purpose, terms: ContactTerms
) -> dict[int, LeftOutBecause]:
    """Tell of each of these customers why they cannot be written to on these terms: of their newest address, if any."""
    changed = "0" if terms.as_of is None else f"CASE WHEN {changed_since(session, 'c', terms.as_of)} THEN 1 ELSE 0 END"
    leaking = "0"
    if terms.leaking_domains:
        leaking = f"CASE WHEN {at_domains('c', terms.leaking_domains)} THEN 1 ELSE 0 END"
    query = (
        f"SELECT customer_id, id, address_digest, changed, leaking FROM (SELECT c.customer_id, c.id, c.address_digest, "  # noqa: S608
        f"{changed} AS changed, {leaking} AS leaking FROM customer_contacts c "
        f"WHERE {usable(session, 'c', ContactTerms())}) mail"
    )
    rows = sorted(rows_with(session, query, "customer_id", customer_ids), key=itemgetter(1))
    closed = closed_addresses(session, {digest for _, _, digest, _, _ in rows}, purpose)
    found = dict.fromkeys(customer_ids, LeftOutBecause.NO_ADDRESS)
    for customer_id, _, digest, is_changed, is_leaking in rows:
        reason = reason_left_out(closed=digest in closed, leaking=bool(is_leaking), changed=bool(is_changed))
        found[customer_id] = reason or LeftOutBecause.NO_ADDRESS
    return found


def closed_since_filled(session: Session, delivery_ids: Collection[int]) -> set[int]:
    """Return those of the messages whose address was closed to their purpose after the wave was filled."""
    rows = rows_with(session, _CLOSED, "waiting.id", delivery_ids)
    return {key for key, reason, purpose in rows if Purpose(purpose) in CLOSED_TO[SuppressionReason(reason)]}


_CLOSED = """
SELECT waiting.id, closed.reason, wave.purpose
FROM deliveries waiting
JOIN customer_contacts contact ON contact.id = waiting.contact_id
JOIN suppressions closed ON closed.address_digest = contact.address_digest
    AND closed.channel = 'email' AND closed.lifted_at IS NULL
JOIN campaigns wave ON wave.id = waiting.campaign_id
"""


def channels_of_leaking_parties(session: Session, determination_id: int, channel: Channel) -> list[RunChannel]:
    """Return what of a channel is run by companies at which the data of a determination leaked."""
    stores = (
        sa.select(ScopeStore)
        .join(ImpactDetermination, ImpactDetermination.scope_id == ScopeStore.scope_id)
        .where(ImpactDetermination.id == determination_id, ScopeStore.certainty != Certainty.RULED_OUT)
        .subquery()
    )
    operators = sa.select(DataStore.operator_id).join(stores, stores.c.store_id == DataStore.id)
    named = sa.select(stores.c.via_party_id).where(stores.c.via_party_id.is_not(None))
    rows = session.execute(
        sa.select(PartyChannel, ThirdParty.code)
        .join(ThirdParty, ThirdParty.id == PartyChannel.party_id)
        .where(
            PartyChannel.channel == channel,
            PartyChannel.removed_at.is_(None),
            sa.not_(ThirdParty.is_ourselves),
            sa.or_(ThirdParty.id.in_(operators), ThirdParty.id.in_(named)),
        )
        .order_by(ThirdParty.code, PartyChannel.mail_domain),
    )
    return [RunChannel(id=row.id, party=code, channel=row.channel, mail_domain=row.mail_domain) for row, code in rows]


def left_out_by_reason(session: Session, campaign_id: int) -> Mapping[LeftOutBecause, int]:
    """Count whom a wave leaves out, by the reason."""
    rows = session.execute(
        sa.select(PersonLeftOut.because, sa.func.count())
        .where(PersonLeftOut.campaign_id == campaign_id)
        .group_by(PersonLeftOut.because)
        .order_by(PersonLeftOut.because),
    )
    return dict(rows.all())
