"""Lists of codes or customer numbers that somebody hands in: one a line, and what is wrong with which line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from incident_app.domain.errors import IncidentAppError
from incident_app.domain.words import Words

HEADERS = frozenset({"code", "letter_code", "customer_number", "コード", "書状コード", "顧客番号"})
"""What stands above a list, if anything."""
MOST_NAMED = 50
LONGEST = 100_000
"""Lines of one list."""


class LineFault(StrEnum):
    """What can be wrong with a line."""

    FORM = "form"
    CHECK = "check"
    UNKNOWN = "unknown"
    NOT_POSTED = "not_posted"
    NOT_RETURNED = "not_returned"


FAULTS: Mapping[LineFault, Words] = {
    LineFault.FORM: Words(ja="書状のコードの形ではありません", en="not the code of a letter"),
    LineFault.CHECK: Words(ja="検査文字が合いません。読み違いです", en="the check character is wrong: misread"),
    LineFault.UNKNOWN: Words(ja="知らない番号です", en="nothing has this number"),
    LineFault.NOT_POSTED: Words(ja="この書状はまだ差し出していません", en="this letter was never handed over"),
    LineFault.NOT_RETURNED: Words(ja="この書状は戻っていません", en="this letter did not come back"),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a list that names something."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class FaultyLine:
    """A line that cannot be taken: its number and why, never its content."""

    line: int
    fault: LineFault


class ListRefused(IncidentAppError):
    """{count} lines cannot be taken, so nothing was recorded: {lines}."""

    ja = "取り込めない行が {count}件あるため、何も記録していません：{lines}。"

    def __init__(self, *, faulty: Sequence[FaultyLine]) -> None:
        self.faulty = tuple(faulty)
        super().__init__(count=len(self.faulty))

    def message(self, language: str, **words: object) -> str:
        """Say which lines, and what is wrong with each."""
        named = [said_of(one, language) for one in self.faulty[:MOST_NAMED]]
        rest = len(self.faulty) - len(named)
        more = ([f"ほか {rest}件"] if language == "ja" else [f"and {rest} more"]) if rest else []
        return super().message(language, **{**words, "lines": ("、" if language == "ja" else "; ").join(named + more)})


class ListTooLong(IncidentAppError):
    """The list has more than {longest} lines. Cut it into several."""

    ja = "一覧が {longest}行を超えています。分けてください。"


def said_of(one: FaultyLine, language: str) -> str:
    """Say what is wrong with a line."""
    words = FAULTS[one.fault]
    return f"{one.line}行目（{words.ja}）" if language == "ja" else f"line {one.line} ({words.en})"


def lines_of_list(text: str) -> tuple[Line, ...]:
    """Return the first cell of each line that has one; a heading in the first line is left out, as are blank lines."""
    found = tuple(_lines(text.splitlines()))
    if len(found) > LONGEST:
        raise ListTooLong(longest=LONGEST)
    return found


def _lines(lines: Iterable[str]) -> Iterator[Line]:
    for number, line in enumerate(lines, start=1):
        cell = line.replace("\t", ",").split(",")[0].strip().strip("\"'").strip()
        if cell and not (number == 1 and cell.lower().lstrip("\ufeff") in HEADERS):
            yield Line(number=number, text=cell.lstrip("\ufeff"))
