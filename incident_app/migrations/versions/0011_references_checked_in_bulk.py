"""References of holdings and contacts: on PostgreSQL checked once per statement by a guard, not once per row."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

REFERENCES = {
    "customer_contacts": {"customer_id": "customers", "import_id": "imports"},
    "holdings": {
        "store_id": "data_stores",
        "customer_id": "customers",
        "item_set_id": "item_sets",
        "import_id": "imports",
    },
}


def upgrade() -> None:
    """Apply this change."""
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in REFERENCES.items():
            for column in columns:
                op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")


def downgrade() -> None:
    """Take this change back."""
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in REFERENCES.items():
            for column, parent in columns.items():
                op.create_foreign_key(f"fk_{table}_{column}", table, parent, [column], ["id"])
