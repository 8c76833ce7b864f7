"""A report as a paper in one language: what every output of it says, decided once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from incident_app.domain.reports import FieldState, FilledField, FilledForm

Head = tuple[int, str]
"""Number and hash of the newest event of the chain."""
JST = ZoneInfo("Asia/Tokyo")

WORDS: Mapping[str, Mapping[str, str]] = {
    "ja": {
        "to": "提出先",
        "incident": "事案",
        "version": "版",
        "written": "作成",
        "item": "号",
        "field": "項目",
        "content": "内容",
        "not_filled": "未記入（理由）",
        "missing": "未記入",
        "left_open": "未記入（任意の項目）",
        "not_applicable": "（該当なし）",
        "digest": "この報告書の指紋",
        "head": "記録の鎖の末尾",
    },
    "en": {
        "to": "To",
        "incident": "Incident",
        "version": "Version",
        "written": "Written",
        "item": "Item",
        "field": "Field",
        "content": "Content",
        "not_filled": "Not filled; reason:",
        "missing": "Not filled",
        "left_open": "Left open (not required)",
        "not_applicable": "(not applicable)",
        "digest": "Digest of this report",
        "head": "Head of the event chain",
    },
}

BEFORE_THE_ITEMS = "0"
"""Who reports stands before the items of the law and has no number on the paper."""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """One line of a paper."""

    code: str
    item: str
    label: str
    mark: str
    """What stands before the text where the field is not filled."""
    text: str
    state: str

    @property
    def content(self) -> str:
        """Return mark and text as one."""
        return "\n".join(part for part in (self.mark, self.text) if part)


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Everything that a paper says, in one language."""

    form: str
    language: str
    letter: bool
    title: str
    addressee: str
    reference: str
    version: int
    written_at: str
    digest: str
    head: Head
    rows: tuple[PaperRow, ...]

    @property
    def words(self) -> Mapping[str, str]:
        """Return the fixed words of papers."""
        return WORDS[self.language]

    @property
    def head_lines(self) -> tuple[str, ...]:
        """Return what stands under the title."""
        words = self.words
        return (
            f"{words['to']}: {self.addressee}",
            " / ".join(
                (
                    f"{words['incident']}: {self.reference}",
                    f"{words['version']}: {self.version}",
                    f"{words['written']}: {self.written_at}",
                )
            ),
        )

    @property
    def foot_lines(self) -> tuple[str, ...]:
        """Return what stands at the foot: what the paper can be held against."""
        return (
            f"{self.words['digest']}: {self.digest}",
            f"{self.words['head']}: {self.head[0]} / {self.head[1]}",
        )


def paper_of(
    filled: FilledForm,
    *,
    language: str,
    reference: str,
    version: int,
    written_at: str,
    head: Head,
    digest: str | None = None,
    letter: bool = False,
) -> Paper:
    """Put a report into one language. A letter says nothing of fields that are empty."""
    japanese = language == "ja"
    rows = [_row(field, language) for field in filled.fields]
    return Paper(
        form=filled.form,
        language=language,
        letter=letter,
        title=filled.title.ja if japanese else filled.title.en,
        addressee=filled.addressee.ja if japanese else filled.addressee.en,
        reference=reference,
        version=version,
        written_at=written_at,
        digest=digest or filled.digest,
        head=head,
        rows=tuple(row for row in rows if not letter or row.state == FieldState.FILLED),
    )


def _row(field: FilledField, language: str) -> PaperRow:
    words = WORDS[language]
    mark, text = "", ""
    if field.value is not None:
        text = field.value.ja if language == "ja" else field.value.en
    elif field.reason:
        mark, text = words["not_filled"], field.reason
    elif field.state is FieldState.GAP:
        mark = words["missing"]
    else:
        text = words["not_applicable" if field.state is FieldState.NOT_APPLICABLE else "left_open"]
    label = field.label.ja if language == "ja" else field.label.en
    item = "" if field.item == BEFORE_THE_ITEMS else field.item
    return PaperRow(code=field.code, item=item, label=label, mark=mark, text=text, state=field.state.value)


def written(moment: datetime) -> str:
    """Say when a version was written."""
    return f"{moment.astimezone(JST):%Y-%m-%d %H:%M} JST"
