"""Reports: a regulator's form as data, filled from facts, with every gap stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.report_facts import Codes, FactValue
from incident_app.domain.report_forms import Form, FormField, UnknownNames
from incident_app.domain.words import Words

__all__ = [
    "DutyWithoutForm",
    "FactsChanged",
    "FieldState",
    "FiledTooEarly",
    "FilledField",
    "FilledForm",
    "GapsNotStated",
    "UnknownNames",
    "WrongForm",
    "check_ready",
    "check_serves",
    "fill_form",
]


class GapsNotStated(IncidentAppError):
    """These fields are empty and no reason is given: {fields}."""

    ja = "記入のない項目に理由が書かれていません：{fields}。"


class WrongForm(IncidentAppError):
    """The form {form} does not fulfil the duty {duty}: that one needs the form {needed}."""

    ja = "様式 {form} では義務 {duty} を果たせません。様式 {needed} を使ってください。"


class DutyWithoutForm(IncidentAppError):
    """The duty {duty} is not fulfilled by a form, so no report can be drafted for it."""

    ja = "義務 {duty} は様式で果たすものではないため、報告書を作成できません。"


class FiledTooEarly(IncidentAppError):
    """A report cannot have been filed at {at}: the incident was known from {known_at} on. Check the time."""

    ja = "提出の時刻（{at}）が、事案を知った時刻（{known_at}）より前です。時刻を確かめてください。"


class FactsChanged(IncidentAppError):
    """Facts changed since this report was approved: {fields}. Revise it, or say why it is filed nonetheless."""

    ja = "承認の後に事実が変わりました：{fields}。書き直すか、このまま提出する理由を書いてください。"

    def message(self, language: str, **words: object) -> str:
        """Name the fields in the reader's language."""
        fields = self.facts.get("fields_ja" if language == "ja" else "fields", "")
        return super().message(language, **{**words, "fields": fields})


class FieldState(StrEnum):
    """Whether a field of a form is filled."""

    FILLED = "filled"
    GAP = "gap"
    STATED_GAP = "stated_gap"
    LEFT_OPEN = "left_open"
    """Empty without a reason, in a field that the form does not require."""
    NOT_APPLICABLE = "not_applicable"
    """Empty because the answer of another field leaves nothing to say here."""


@dataclass(frozen=True, kw_only=True)
class FilledField:
    """One field with its value, or with the reason why there is none."""

    code: str
    item: str
    label: Words
    value: Words | None
    state: FieldState
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class FilledForm:
    """A form filled from the facts of an incident."""

    form: str
    title: Words
    addressee: Words
    source: str
    fields: tuple[FilledField, ...]

    @property
    def gaps(self) -> tuple[str, ...]:
        """Return the required fields that are empty and have no reason."""
        return tuple(field.code for field in self.fields if field.state is FieldState.GAP)

    def fields_in(self, state: FieldState | str) -> tuple[FilledField, ...]:
        """Return the fields in a state."""
        return tuple(field for field in self.fields if field.state == state)

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of everything the report says."""
        return digest_of(self)


def fill_form(
    form: Form, facts: Mapping[str, FactValue], stated_gaps: Mapping[str, str], *, addressee: Words | None = None
) -> FilledForm:
    """Fill a form. A required field without a fact is a gap; a reason makes it a stated gap.

    `addressee` is who the duty is owed to; without a duty the form's own words stand.
    """
    values = {field.code: _value(field, facts.get(field.fact)) for field in form.fields}
    chosen = {code: value.codes for code, value in values.items() if isinstance(value, Codes)}
    return FilledForm(
        form=form.code,
        title=form.title,
        addressee=addressee or form.addressee,
        source=form.source,
        fields=tuple(
            _filled(field, values[field.code], (stated_gaps.get(field.code) or "").strip() or None, chosen)
            for field in form.fields
        ),
    )


def _value(field: FormField, value: FactValue | None) -> FactValue | None:
    """Return what fills a field: a blank text fills nothing, and of what is chosen only what the form has words for."""
    if isinstance(value, Words):
        return value if value.ja.strip() or value.en.strip() else None
    if value is None or not field.choices:
        return None
    known = [choice.code for choice in field.choices]
    others = ["other"] if "other" in known and any(code not in known for code in value.codes) else []
    codes = dict.fromkeys([*(code for code in known if code in value.codes), *others])
    return Codes(codes=tuple(codes)) if codes else None


def _filled(
    field: FormField, value: FactValue | None, reason: str | None, chosen: Mapping[str, tuple[str, ...]]
) -> FilledField:
    asked = chosen.get(field.needed.field) if field.needed else None
    applies = field.needed is None or asked is None or any(code in field.needed.answers for code in asked)
    if value is not None:
        state, reason = FieldState.FILLED, None
    elif not applies:
        state, reason = FieldState.NOT_APPLICABLE, None
    elif reason is not None:
        state = FieldState.STATED_GAP
    else:
        required = field.required or (field.needed is not None and asked is not None)
        state = FieldState.GAP if required else FieldState.LEFT_OPEN
    words = _words(field, value)
    return FilledField(code=field.code, item=field.item, label=field.label, value=words, state=state, reason=reason)


def _words(field: FormField, value: FactValue | None) -> Words | None:
    if not isinstance(value, Codes):
        return value
    named = [choice.words for choice in field.choices if choice.code in value.codes]
    return Words(ja="、".join(words.ja for words in named), en=", ".join(words.en for words in named))


def check_serves(form: str, *, duty: str, needed: str | None) -> None:
    """Refuse a form other than the one that the duty asks for: a first report is no detailed one."""
    if needed is None:
        raise DutyWithoutForm(duty=duty)
    if form != needed:
        raise WrongForm(form=form, duty=duty, needed=needed)


def check_ready(filled: FilledForm) -> None:
    """Refuse a report whose gaps are not stated (E5)."""
    if filled.gaps:
        raise GapsNotStated(fields=", ".join(filled.gaps))
