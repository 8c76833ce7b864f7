"""How long the texts may be that people type: said at the field, before a database has to refuse."""

from __future__ import annotations

from incident_app.domain.errors import BadInput

LINE = 300
"""A title, a name, a place: what fits one line of a page."""
REFERENCE = 120
ADDRESS = 254
"""An e-mail address (RFC 5321)."""


def check_length(text: str | None, *, field: str, longest: int = LINE) -> None:
    """Refuse a text that is longer than its field."""
    if text is not None and len(text) > longest:
        raise BadInput(field=field, problem=f"at most {longest} characters are allowed")
