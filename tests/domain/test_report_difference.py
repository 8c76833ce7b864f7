"""What changed between two papers: every field that says something else, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.report_difference import FieldChange, difference
from incident_app.domain.reports import FieldState, FilledField, FilledForm
from incident_app.domain.words import Words


def a_field(code: str, said: str | None = None, *, reason: str | None = None, label: str = "項目") -> FilledField:
    state = FieldState.FILLED if said else FieldState.STATED_GAP if reason else FieldState.GAP
    return FilledField(
        code=code,
        item="1",
        label=Words(ja=label, en="field"),
        value=Words(ja=said, en=said) if said else None,
        state=state,
        reason=reason,
    )


def a_paper(*fields: FilledField) -> FilledForm:
    return FilledForm(
        form="x", title=Words(ja="紙", en="paper"), addressee=Words(ja="先", en="to"), source="x", fields=fields
    )


def changes(before: FilledForm, after: FilledForm) -> dict[str, FieldChange]:
    return {field.code: field.change for field in difference(before, after)}


def test_each_kind_of_change_is_called_what_it_is() -> None:
    before = a_paper(a_field("a", "x"), a_field("b"), a_field("c", "x"), a_field("d", reason="r"), a_field("e", "x"))
    after = a_paper(a_field("a", "y"), a_field("b", "x"), a_field("c"), a_field("d", reason="s"), a_field("e", "x"))
    assert changes(before, after) == {
        "a": FieldChange.CHANGED,
        "b": FieldChange.ADDED,
        "c": FieldChange.REMOVED,
        "d": FieldChange.CHANGED,
    }


def test_a_field_that_one_paper_lacks_counts_only_where_the_other_says_something() -> None:
    before = a_paper(a_field("gone", "x"), a_field("empty"))
    after = a_paper(a_field("new", "x"), a_field("open"))
    assert list(changes(before, after).items()) == [("new", FieldChange.ADDED), ("gone", FieldChange.REMOVED)]


def test_another_name_for_a_field_is_no_change_of_what_was_said() -> None:
    assert changes(a_paper(a_field("a", "x")), a_paper(a_field("a", "x", label="別名"))) == {}


fields = st.dictionaries(
    st.sampled_from("abcdef"), st.one_of(st.none(), st.text("xy", min_size=1, max_size=2)), max_size=6
)


@given(fields, fields)
def test_the_difference_is_empty_only_for_papers_that_say_the_same_and_turns_round(
    first: dict[str, str | None], second: dict[str, str | None]
) -> None:
    before = a_paper(*(a_field(code, text) for code, text in first.items()))
    after = a_paper(*(a_field(code, text) for code, text in second.items()))
    differing = {code for code in {*first, *second} if first.get(code) != second.get(code)}
    assert set(changes(before, after)) == differing
    assert difference(before, before) == ()
    turned = {FieldChange.ADDED: FieldChange.REMOVED, FieldChange.REMOVED: FieldChange.ADDED}
    assert changes(after, before) == {code: turned.get(way, way) for code, way in changes(before, after).items()}
