"""Events of the record itself: notes, exports, anchors."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event("note.recorded", ja="出来事を記録しました", en="Entry recorded")
class NoteRecorded(EventFacts):
    text_digest: str


@event("note.corrected", ja="{corrects}件目の記録を訂正しました", en="Event {corrects} corrected")
class NoteCorrected(EventFacts):
    corrects: int
    text_digest: str


@event("export.made", ja="{what}を書き出しました（目的を記録）", en="{what} exported (purpose recorded)")
class ExportMade(EventFacts):
    what: str
    rows: int
    digest: str
    purpose_digest: str


@event(
    "chain.anchored",
    ja="記録の鎖の末尾を控えました（{anchored}件目）",
    en="Head of the chain anchored (event {anchored})",
)
class ChainAnchored(EventFacts):
    anchored: int
    hash: str
    place_digest: str
