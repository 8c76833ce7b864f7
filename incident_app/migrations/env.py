"""Runs migrations on the connection that the program hands over; there is no alembic.ini."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from incident_app.persistence.database import CanonicalJson, UtcMoment
from incident_app.persistence.tables import Base
from incident_app.persistence.triggers import drop_guards


def render_item(kind: str, item: object, _autogen_context: Any) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Write plain types into migrations, so that old ones keep working when our classes move."""
    if kind == "type" and isinstance(item, UtcMoment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, CanonicalJson):
        return "sa.Text()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_type=True,
)
with context.begin_transaction():
    drop_guards(context.config.attributes["connection"])  # they are made anew from the tables afterwards
    context.run_migrations()
