"""Messages keep the beginning of their address's digest, as octets; references of waves are checked in bulk.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

REFERENCES = {
    "deliveries": {"campaign_id": "campaigns", "contact_id": "customer_contacts", "domain_id": "mail_domains"},
    "delivery_people": {
        "delivery_id": "deliveries",
        "person_id": "people_to_inform",
        "item_set_id": "item_sets",
        "confirmed_item_set_id": "item_sets",
    },
}
INVOLVED, OF_INVOLVED = "one_standing_per_involved_person", ["incident_id", "purpose", "involved_person_id"]
ANY_INVOLVED = sa.text("involved_person_id IS NOT NULL")
WHOLE, BEGINNING = sa.String(64), sa.LargeBinary(8)


def upgrade() -> None:
    """Make this change."""
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in REFERENCES.items():
            for column in columns:
                op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
        op.alter_column(
            "deliveries",
            "address_digest",
            type_=BEGINNING,
            postgresql_using="decode(substr(address_digest, 1, 16), 'hex')",
        )
    else:
        with op.batch_alter_table("deliveries") as batch:
            batch.alter_column("address_digest", existing_type=WHOLE, type_=BEGINNING)
        driver: Any = op.get_bind().connection.driver_connection
        driver.create_function("beginning_of", 1, lambda digest: bytes.fromhex(digest[:16]), deterministic=True)
        op.execute("UPDATE deliveries SET address_digest = beginning_of(CAST(address_digest AS TEXT))")
    with op.batch_alter_table("people_to_inform") as batch:
        batch.drop_constraint(INVOLVED, type_="unique")
    op.create_index(
        INVOLVED,
        "people_to_inform",
        OF_INVOLVED,
        unique=True,
        sqlite_where=ANY_INVOLVED,
        postgresql_where=ANY_INVOLVED,
    )


def downgrade() -> None:
    """Take this change back. The whole digest stands in the contact."""
    op.drop_index(INVOLVED, "people_to_inform")
    with op.batch_alter_table("people_to_inform") as batch:
        batch.create_unique_constraint(INVOLVED, OF_INVOLVED)
    whole = "(SELECT c.address_digest FROM customer_contacts c WHERE c.id = deliveries.contact_id)"
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("deliveries", "address_digest", type_=WHOLE, postgresql_using="encode(address_digest, 'hex')")
        op.execute(f"UPDATE deliveries SET address_digest = {whole}")  # noqa: S608 - our own words
        for table, columns in REFERENCES.items():
            for column, parent in columns.items():
                op.create_foreign_key(f"fk_{table}_{column}", table, parent, [column], ["id"])
    else:
        with op.batch_alter_table("deliveries") as batch:
            batch.alter_column("address_digest", existing_type=BEGINNING, type_=WHOLE)
        op.execute(f"UPDATE deliveries SET address_digest = {whole}")  # noqa: S608 - our own words
