"""Reports: a regulator's form as data, filled from facts, with every gap stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.tables import Document, unique_codes
from incident_app.domain.words import Words


class GapsNotStated(IncidentAppError):
    """These fields are empty and no reason is given: {fields}."""

    ja = "記入のない項目に理由が書かれていません：{fields}。"


class WrongForm(IncidentAppError):
    """The form {form} does not fulfil the duty {duty}: that one needs the form {needed}."""

    ja = "様式 {form} では義務 {duty} を果たせません。様式 {needed} を使ってください。"


class DutyWithoutForm(IncidentAppError):
    """The duty {duty} is not fulfilled by a form, so no report can be drafted for it."""

    ja = "義務 {duty} は様式で果たすものではないため、報告書を作成できません。"


class UnknownNames(IncidentAppError):
    """The form {form} has no {what} called {names}. Known: {known}."""

    ja = "様式 {form} に {names} という名前（{what}）はありません。使える名前：{known}。"


class FiledTooEarly(IncidentAppError):
    """A report cannot have been filed at {at}: the incident was known from {known_at} on. Check the time."""

    ja = "提出の時刻（{at}）が、事案を知った時刻（{known_at}）より前です。時刻を確かめてください。"


class FieldState(StrEnum):
    """Whether a field of a form is filled."""

    FILLED = "filled"
    GAP = "gap"
    STATED_GAP = "stated_gap"
    LEFT_OPEN = "left_open"
    """Empty without a reason, in a field that the form does not require."""


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a regulator's form."""

    code: str
    item: str
    """The item of the law that it belongs to, e.g. "1" of the nine."""
    label: Words
    fact: str
    required: bool


@dataclass(frozen=True, kw_only=True)
class Form:
    """A regulator's form: its fields in the regulator's order."""

    code: str
    version: str
    title: Words
    addressee: Words
    source: str
    fields: tuple[FormField, ...]

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of the form."""
        return digest_of(self)

    def check_names(self, given: Mapping[str, str], stated_gaps: Mapping[str, str]) -> None:
        """Refuse a fact that no field asks for and a gap of a field that is not there: neither would be seen."""
        facts, codes = [field.fact for field in self.fields], [field.code for field in self.fields]
        for what, names, known in (("fact", given, facts), ("field", stated_gaps, codes)):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise UnknownNames(
                    form=self.code, what=what, names=", ".join(unknown), known=", ".join(dict.fromkeys(known))
                )


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

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of everything the report says."""
        return digest_of(self)


def read_form(text: str, *, file: str) -> Form:
    """Read a form.toml; FaultyFile names every fault."""
    document = Document(text, file=file)
    root = document.root
    tables = root.tables("fields")
    unique_codes(tables)
    fields = []
    for table in tables:
        fields.append(
            FormField(
                code=table.text("code"),
                item=table.text("item"),
                label=Words(ja=table.text("label_ja"), en=table.text("label_en")),
                fact=table.text("fact"),
                required=table.truth("required"),
            ),
        )
        table.finish()
    form = Form(
        code=root.text("code"),
        version=root.text("version"),
        title=Words(ja=root.text("title_ja"), en=root.text("title_en")),
        addressee=Words(ja=root.text("addressee_ja"), en=root.text("addressee_en")),
        source=root.text("source"),
        fields=tuple(fields),
    )
    root.finish()
    document.finish()
    return form


def fill_form(
    form: Form, facts: Mapping[str, Words], stated_gaps: Mapping[str, str], *, addressee: Words | None = None
) -> FilledForm:
    """Fill a form. A required field without a fact is a gap; a reason makes it a stated gap.

    `addressee` is who the duty is owed to; without a duty the form's own words stand.
    """
    filled = []
    for field in form.fields:
        value = facts.get(field.fact)
        reason = (stated_gaps.get(field.code) or "").strip() or None
        if value is not None and (value.ja.strip() or value.en.strip()):
            state, reason = FieldState.FILLED, None
        elif reason is not None:
            state, value = FieldState.STATED_GAP, None
        else:
            state, value = (FieldState.GAP if field.required else FieldState.LEFT_OPEN), None
        filled.append(
            FilledField(code=field.code, item=field.item, label=field.label, value=value, state=state, reason=reason),
        )
    return FilledForm(
        form=form.code,
        title=form.title,
        addressee=addressee or form.addressee,
        source=form.source,
        fields=tuple(filled),
    )


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
