"""What of a stored pattern counted: where lists confine a scope, stores count only for the people on those lists."""

from __future__ import annotations

from typing import Any

from incident_app.domain.scopes import Scope
from incident_app.domain.vocabulary import ListRelation


def pairs_that_count(scope: Scope, stored: object) -> list[dict[str, Any]]:
    """Return the stores and lists by which the people of a pattern are affected, as the rule of impact took them."""
    pairs = [pair for pair in stored if isinstance(pair, dict)] if isinstance(stored, list) else []
    confining = {entry.list_id for entry in scope.lists if entry.relation is ListRelation.ONLY}
    if not confining or any(pair.get("list") in confining for pair in pairs):
        return pairs
    return [pair for pair in pairs if "store" not in pair]
