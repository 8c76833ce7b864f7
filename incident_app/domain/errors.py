"""The tree of refusals: what was wrong, said in Japanese and English, with the facts it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class IncidentAppError(Exception):
    """The request was refused."""

    ja: ClassVar[str] = "この操作は受け付けられませんでした。"

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(self.message("en"))

    def message(self, language: str, **words: object) -> str:
        """Say the refusal in `language` ("ja" or "en"), with the facts filled in, or `words` in their place."""
        pattern = self.ja if language == "ja" else " ".join((type(self).__doc__ or "").split())
        return pattern.format(**{**self.facts, **words})


class NotFound(IncidentAppError):
    """There is no {what} called {name}."""

    ja = "{what}「{name}」はありません。"


class NothingYet(NotFound):
    """This incident has no {what} yet."""

    ja = "この事案には{what}がまだありません。"


class Forbidden(IncidentAppError):
    """This account may not do that: it lacks the permission {permission}."""

    ja = "この操作の権限（{permission}）がありません。"


class NaiveTime(IncidentAppError):
    """The time {value} for {field} has no UTC offset. Write it like 2026-11-24T17:20+09:00."""

    ja = "{field} の時刻 {value} に時差がありません。2026-11-24T17:20+09:00 のように書いてください。"


class BadInput(IncidentAppError):
    """{field}: {problem}"""

    ja = "{field}：{problem}"


class FaultyFile(IncidentAppError):
    """{file} has {count} fault(s): {faults}"""

    ja = "{file} に誤りが {count}件あります：{faults}"

    def __init__(self, *, file: str, faults: list[str]) -> None:
        self.fault_list = faults
        super().__init__(file=file, count=len(faults), faults=" | ".join(faults))


class IllegalMove(IncidentAppError):
    """The {thing} is in the state "{state}", which does not allow: {event}."""

    ja = "{thing}は「{state}」なので、この操作（{event}）はできません。"


def find_refusal(kind: str, facts: Mapping[str, object]) -> IncidentAppError | None:
    """Return a refusal that was kept by the name of its class and its facts, where those are all there is to it."""
    kinds: list[type[IncidentAppError]] = [IncidentAppError]
    for known in kinds:
        kinds += known.__subclasses__()
    for known in kinds:
        if known.__name__ == kind and known.__init__ is IncidentAppError.__init__:
            return known(**facts)
    return None
