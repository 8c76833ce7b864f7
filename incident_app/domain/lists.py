"""Lists of customers from forensic evidence: rows that name a person by number or e-mail address, with items."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from incident_app.domain.customers import MissingColumns, UnknownColumns

LIST_COLUMNS = ("customer_number", "email", "items")


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """One row of a list: whom it names and which items it shows. No items means those of the stores in scope."""

    line: int
    customer_number: str
    email: str
    items: frozenset[str] | None

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return f"ListRow(line={self.line})"


def read_list(text: str) -> tuple[ListRow, ...]:
    """Read a CSV list of customers: customer_number or email, and optionally items separated by spaces."""
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    if unknown := [name or "(empty)" for name in header if name not in LIST_COLUMNS]:
        raise UnknownColumns(columns=", ".join(unknown), known=", ".join(LIST_COLUMNS))
    if not {"customer_number", "email"} & set(header):
        raise MissingColumns(columns="customer_number or email")
    return tuple(
        ListRow(
            line=line,
            customer_number=(values.get("customer_number") or "").strip(),
            email=(values.get("email") or "").strip(),
            items=frozenset((values.get("items") or "").replace(";", " ").split()) or None,
        )
        for line, values in enumerate(reader, start=2)
    )
