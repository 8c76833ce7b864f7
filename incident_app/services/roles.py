"""Our role for each data set that the scope touches, and which reports follow from it (C10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.errors import NothingYet
from incident_app.domain.ids import IncidentId, ScopeId
from incident_app.domain.incidents import AWARENESS
from incident_app.domain.regimes import Regime, read_regime, valid_on
from incident_app.domain.role_table import RoleDuty, duties_of_role
from incident_app.domain.vocabulary import Certainty, OurRole
from incident_app.services.incidents import get_row, newest_clocks
from incident_app.services.inventory import read_inventory_snapshot
from incident_app.services.people import newest_determination
from incident_app.services.playbooks import PlaybookKind, pinned
from incident_app.services.scopes import read_scope
from incident_app.services.transaction import reading

JST = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, kw_only=True)
class StoreRole:
    """One touched data set: who operates it, our role for it, and the reports that follow from that role."""

    store: str
    store_ja: str
    store_en: str
    operator_ja: str
    operator_en: str
    our_role: OurRole
    duties: tuple[RoleDuty, ...]


def store_roles(engine: Engine, incident_id: IncidentId) -> list[StoreRole]:
    """Return the data sets of the newest determination with our role for each; none before there is one."""
    with reading(engine) as session:
        try:
            determination = newest_determination(session, incident_id)
        except NothingYet:
            return []
        inventory = read_inventory_snapshot(session, determination.inventory_digest)
        scope = read_scope(session, ScopeId(determination.scope_id))
        regimes = _regimes(session, incident_id)
        codes = dict.fromkeys(entry.store for entry in scope.stores if entry.certainty is not Certainty.RULED_OUT)
        stores = [inventory.store(code) for code in codes]
        return [
            StoreRole(
                store=store.code,
                store_ja=store.name_ja,
                store_en=store.name_en,
                operator_ja=inventory.party(store.operator).name_ja,
                operator_en=inventory.party(store.operator).name_en,
                our_role=store.our_role,
                duties=duties_of_role(store.our_role, regimes),
            )
            for store in stores
        ]


def _regimes(session: Session, incident_id: IncidentId) -> tuple[Regime, ...]:
    texts = pinned(session, incident_id, [PlaybookKind.REGIME])
    return valid_on(
        (read_regime(text.content, file=text.code) for text in texts), _known_at(session, incident_id).date()
    )


def _known_at(session: Session, incident_id: IncidentId) -> datetime:
    aware = newest_clocks(session, incident_id).get(AWARENESS)
    known_at = aware.at if aware else get_row(session, incident_id).detected_at
    return known_at.astimezone(JST)
