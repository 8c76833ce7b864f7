"""Loading checked rows of people and holdings, chunk by chunk. Loading a chunk twice changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.customers import CustomerRow, HoldingRow, Refusal
from incident_app.domain.digests import keyed_digest
from incident_app.domain.vocabulary import Channel
from incident_app.persistence.bulk import insert_new
from incident_app.persistence.customers import Customer, CustomerContact, Holding
from incident_app.persistence.inventory import DataStore
from incident_app.persistence.item_sets import item_set_id
from notifications.addresses import normalised, parse_address
from notifications.errors import AddressRefused


class Loader:
    """Puts checked rows into the tables, chunk by chunk. Loading a chunk twice changes nothing."""

    def __init__(self, *, address_key: bytes, import_id: int, at: datetime) -> None:
        self.address_key = address_key
        self.import_id = import_id
        self.at = at
        self.warnings: list[Refusal] = []

    def load_customers(self, session: Session, rows: Sequence[CustomerRow]) -> None:
        """Store people and the ways to reach them; an address that the file no longer names is closed, not removed."""
        numbers = [row.customer_number for row in rows]
        insert_new(
            session,
            Customer,
            [
                {
                    "public_id": secrets.token_hex(12),
                    "customer_number": row.customer_number,
                    "kind": row.kind,
                    "relation": row.relation,
                    "language": row.language,
                    "jurisdiction": row.jurisdiction,
                }
                for row in rows
            ],
        )
        ids = _ids_by_number(session, numbers)
        self._update_changed(session, rows)
        wanted = [contact for row in rows for contact in self._contacts(ids[row.customer_number], row)]
        self._close_replaced(session, list(ids.values()), wanted)
        insert_new(session, CustomerContact, wanted)

    def _update_changed(self, session: Session, rows: Sequence[CustomerRow]) -> None:
        stored = {
            customer.customer_number: customer
            for customer in session.scalars(
                sa.select(Customer).where(Customer.customer_number.in_([row.customer_number for row in rows])),
            )
        }
        for row in rows:
            customer = stored[row.customer_number]
            customer.kind, customer.relation = row.kind, row.relation
            customer.language, customer.jurisdiction = row.language, row.jurisdiction

    def _contacts(self, customer_id: int, row: CustomerRow) -> list[dict[str, object]]:
        contacts = []
        for channel, address, key in self._addresses(row):
            contacts.append(
                {
                    "customer_id": customer_id,
                    "channel": channel,
                    "name": row.name,
                    "address": address,
                    "address_digest": keyed_digest(self.address_key, key),
                    "valid_from": self.at,
                    "import_id": self.import_id,
                },
            )
        return contacts

    def _addresses(self, row: CustomerRow) -> list[tuple[Channel, str, str]]:
        found = []
        if row.email:
            try:
                address = parse_address(row.email)
            except AddressRefused as refusal:
                # The person stays: without mail they go to the next channel, never into silence.
                self.warnings.append(Refusal(line=row.line, reason=f"email: {refusal}", person_kept=True))
            else:
                found.append((Channel.EMAIL, str(address), normalised(address)))
        if row.postal_address:
            found.append((Channel.POST, row.postal_address, row.postal_address))
        if row.phone:
            found.append((Channel.PHONE, row.phone, row.phone))
        return found or [(Channel.POST, "", "")]

    def _close_replaced(self, session: Session, ids: Sequence[int], wanted: list[dict[str, object]]) -> None:
        """End the contacts that the file no longer names; drop from `wanted` those that are already there."""
        named = {(entry["customer_id"], entry["channel"], entry["address_digest"]): entry for entry in wanted}
        live = sa.select(CustomerContact).where(
            CustomerContact.customer_id.in_(ids), CustomerContact.valid_until.is_(None)
        )
        for contact in session.scalars(live):
            entry = named.get((contact.customer_id, contact.channel, contact.address_digest))
            if entry is not None and entry["name"] == contact.name:
                wanted.remove(entry)
            elif contact.valid_from != self.at:
                contact.valid_until = self.at

    def load_holdings(self, session: Session, rows: Sequence[HoldingRow]) -> None:
        """Store what stores hold of people; what was known otherwise before is retracted."""
        ids = _ids_by_number(session, [row.customer_number for row in rows])
        stores = dict(session.execute(sa.select(DataStore.code, DataStore.id)).all())
        sets = {items: item_set_id(session, items) for items in {row.items for row in rows}}
        wanted = {
            (stores[row.store], ids[row.customer_number], sets[row.items], row.held_from, row.held_until)
            for row in rows
        }
        replaced = {(store_id, customer_id) for store_id, customer_id, *_ in wanted}
        live = sa.select(Holding).where(
            Holding.customer_id.in_(sorted(set(ids.values()))),
            Holding.retracted_at.is_(None),
            Holding.recorded_at != self.at,
        )
        for holding in session.scalars(live):
            key = (holding.store_id, holding.customer_id, holding.item_set_id, holding.held_from, holding.held_until)
            if key in wanted:
                wanted.discard(key)
            elif key[:2] in replaced and holding.held_until is None:
                self._end(session, holding, wanted)
        session.flush()
        insert_new(session, Holding, [self._holding(*key) for key in sorted(wanted, key=lambda key: key[:3])])

    def _end(
        self, session: Session, holding: Holding, wanted: set[tuple[int, int, int, datetime | None, datetime | None]]
    ) -> None:
        """Say that a holding ended when the new one began: the old row is retracted, what it said is kept."""
        starts = [key[3] for key in wanted if key[:2] == (holding.store_id, holding.customer_id) and key[3]]
        holding.retracted_at = self.at
        until = min(starts, default=self.at)
        insert_new(
            session,
            Holding,
            [self._holding(holding.store_id, holding.customer_id, holding.item_set_id, holding.held_from, until)],
        )

    def _holding(
        self, store_id: int, customer_id: int, set_id: int, held_from: datetime | None, held_until: datetime | None
    ) -> dict[str, object]:
        return {
            "store_id": store_id,
            "customer_id": customer_id,
            "item_set_id": set_id,
            "recorded_at": self.at,
            "held_from": held_from,
            "held_until": held_until,
            "import_id": self.import_id,
        }


def _ids_by_number(session: Session, numbers: Sequence[str]) -> dict[str, int]:
    wanted = sa.select(Customer.customer_number, Customer.id).where(Customer.customer_number.in_(numbers))
    return dict(session.execute(wanted).all())
