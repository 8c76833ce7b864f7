"""What changed between two reports or two versions of one: which fields say something else (E8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.reports import FieldState, FilledField, FilledForm
from incident_app.domain.words import Words


class FieldChange(StrEnum):
    """How a field of one paper differs from the same field of another."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class FieldDifference:
    """A field that does not say the same in both papers. `before` or `after` is None where that paper lacks it."""

    code: str
    item: str
    label: Words
    change: FieldChange
    before: FilledField | None
    after: FilledField | None


def difference(before: FilledForm, after: FilledForm) -> tuple[FieldDifference, ...]:
    """Compare two papers field by field, in the order of the later one; what only the earlier one has comes last.

    An empty field that another paper does not have at all is no difference.
    """
    earlier = {field.code: field for field in before.fields}
    later = {field.code: field for field in after.fields}
    found = []
    for code in dict.fromkeys((*later, *earlier)):
        old, new = earlier.get(code), later.get(code)
        if _said(old) == _said(new):
            continue
        known = new or old
        if known is None:
            continue
        found.append(
            FieldDifference(
                code=code, item=known.item, label=known.label, change=_change(old, new), before=old, after=new
            )
        )
    return tuple(found)


def _said(field: FilledField | None) -> tuple[str, str] | None:
    """Return what a field tells its reader; nothing for one that is empty without a reason."""
    if field is None:
        return None
    if field.value is not None:
        return field.value.ja, field.value.en
    return (field.reason, field.reason) if field.reason else None


def _change(before: FilledField | None, after: FilledField | None) -> FieldChange:
    if not _is_filled(before) and _is_filled(after):
        return FieldChange.ADDED
    if _is_filled(before) and not _is_filled(after):
        return FieldChange.REMOVED
    return FieldChange.CHANGED


def _is_filled(field: FilledField | None) -> bool:
    return field is not None and field.state is FieldState.FILLED
