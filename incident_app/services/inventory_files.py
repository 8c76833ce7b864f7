"""Inventory files: export, import with a preview of what changes, and recording what a party really received."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import BadInput, FaultyFile, IncidentAppError
from incident_app.domain.events import DisclosureRecorded, InventoryLoaded
from incident_app.domain.ids import Actor
from incident_app.domain.inventories import read_store_file
from incident_app.domain.inventory import Disclosure, Inventory
from incident_app.domain.inventory_changes import Change, changes_between, counts_of
from incident_app.domain.inventory_checks import LENGTH
from incident_app.domain.inventory_files import csv_files, json_text, read_csv, read_json
from incident_app.domain.inventory_rows import canonical
from incident_app.domain.policy_stores import with_actual
from incident_app.domain.vocabulary import DisclosureBasis, PartyRole
from incident_app.services.inventory import current_inventory
from incident_app.services.inventory_store import mark_source, store_inventory, stores_from
from incident_app.services.policies import any_policy
from incident_app.services.transaction import Transaction, reading, transaction

LARGEST_BYTES = 32 * 1024 * 1024
"""An inventory is small; what unpacks to more than this is none."""
ZIP_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The same inventory gives the same bytes, whenever it is written."""


class RegisterMoved(IncidentAppError):
    """Somebody else changed the register since this file was read. Look at the changes again, then apply them."""

    ja = "このファイルを読んだ後に、別の人が台帳を変更しました。変更点をもう一度確かめてから反映してください。"


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What a file would make of the register, before anything is stored."""

    base: ContentDigest
    """Digest of the register that the file was compared with."""
    target: Inventory
    changes: tuple[Change, ...]
    source: str | None
    """Set for a file of stores: what such a file no longer names is retired."""
    named: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many entries are added, changed and retracted."""
        return counts_of(self.changes)

    @property
    def stores_touched(self) -> int:
        """Return how many stores are new, changed or retired, by themselves or by their items."""
        return len({change.entry.split()[0] for change in self.changes if change.table in {"stores", "store_items"}})


def export_json(engine: Engine) -> bytes:
    """Write the register as one JSON document; the same register gives the same bytes."""
    with reading(engine) as session:
        return json_text(current_inventory(session)).encode()


def export_csv(engine: Engine) -> dict[str, bytes]:
    """Write the register as one CSV file per table."""
    with reading(engine) as session:
        return csv_files(current_inventory(session))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Put files into an archive: uncompressed and without times, so that equal files give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_MOMENT), content)
    return out.getvalue()


def plan_import(engine: Engine, files: Mapping[str, bytes], *, name: str) -> ImportPlan:
    """Read an inventory file (JSON, TOML, a zip, one CSV table, or the CSV files of a folder) and compare it.

    FaultyFile names every fault; nothing is stored.
    """
    if sum(len(content) for content in files.values()) > LARGEST_BYTES:
        raise FaultyFile(file=name, faults=[f"is larger than {LARGEST_BYTES:,} bytes: this is no inventory"])
    with reading(engine) as session:
        current = current_inventory(session)
        suffix = name.rpartition(".")[2].lower()
        if suffix == "toml":
            return _plan_of_stores(session, current, _text(files, name), name)
    if suffix == "json":
        target = read_json(_text(files, name), file=name, current=current)
    elif suffix == "zip":
        target = read_csv(_unzipped(files[name], name), file=name, current=current)
    else:
        target = read_csv(files, file=name, current=current)
    return _plan(current, target)


def apply_import(engine: Engine, plan: ImportPlan, *, actor: Actor, now: datetime) -> None:
    """Store what was planned, with its event; a plan without changes stores nothing."""
    if not plan.changes:
        return
    with transaction(engine, actor=actor, now=now) as act:
        if current_inventory(act.session).digest != plan.base:
            raise RegisterMoved
        store_inventory(act, plan.target)
        if plan.source is not None:
            mark_source(act.session, plan.named, plan.source)
        _record(act, plan)


def record_disclosure(
    engine: Engine,
    party: str,
    *,
    items: frozenset[str] = frozenset(),
    categories: frozenset[str] = frozenset(),
    role: PartyRole,
    legal_basis: str = "",
    purpose: str = "",
    actor: Actor,
    now: datetime,
) -> ImportPlan:
    """Record everything that a party receives by its contract or transfer list; an earlier list is replaced."""
    _check_lines(legal_basis=legal_basis, purpose=purpose)
    with reading(engine) as session:
        current = current_inventory(session)
    received = _received(current, party, items, categories)
    entry = Disclosure(
        party=party,
        items=received,
        role=role,
        basis=DisclosureBasis.ACTUAL,
        purpose_ja=purpose,
        purpose_en=purpose,
        legal_basis=legal_basis,
    )
    plan = _plan(current, canonical(with_actual(current, entry)))
    if plan.changes:
        with transaction(engine, actor=actor, now=now) as act:
            if current_inventory(act.session).digest != plan.base:
                raise RegisterMoved
            store_inventory(act, plan.target)
            act.record(
                DisclosureRecorded(party=party, items=len(received), role=role, digest=digest_of(entry)),
            )
    return plan


def _received(current: Inventory, party: str, items: frozenset[str], categories: frozenset[str]) -> frozenset[str]:
    """Return the items that were named one by one and by category; a party that is ourselves receives nothing."""
    if current.party(party).is_ourselves:
        raise BadInput(field="party", problem="this is ourselves; name a company that receives data")
    named = frozenset(current.item(code).code for code in items)
    received = named.union(*(current.items_under(code) for code in categories))
    if not received:
        raise BadInput(field="item", problem="name at least one item or category")
    return received


def _check_lines(**lines: str) -> None:
    for field, text in lines.items():
        if len(text) > LENGTH or not text.isprintable():
            raise BadInput(field=field, problem="must be one line of at most 300 characters")


def _plan(
    current: Inventory, target: Inventory, *, source: str | None = None, named: tuple[str, ...] = ()
) -> ImportPlan:
    changes = changes_between(current, target)
    return ImportPlan(base=current.digest, target=target, changes=changes, source=source, named=named)


def _plan_of_stores(session: Session, current: Inventory, text: str, name: str) -> ImportPlan:
    """Plan a TOML file: its stores replace those of their code; what it named before and no longer does is retired."""
    read = read_store_file(text, file=name, policy=any_policy(session))
    source = f"file:{read.title}"[:300]
    named = {store.code: store for store in read.stores}
    gone = stores_from(session, source) - named.keys()
    kept = (store for store in current.stores if store.code not in named and store.code not in gone)
    target = canonical(replace(current, stores=(*kept, *named.values())))
    return _plan(current, target, source=source, named=tuple(sorted(named)))


def _record(act: Transaction, plan: ImportPlan) -> None:
    act.record(InventoryLoaded(stores=len(plan.target.stores), digest=plan.target.digest, **plan.counts))


def _text(files: Mapping[str, bytes], name: str) -> str:
    try:
        return files[name].decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = files[name].count(b"\n", 0, fault.start) + 1
        raise FaultyFile(file=name, faults=[f"line {line}: not text in UTF-8; save the file as UTF-8"]) from None


def _unzipped(content: bytes, name: str) -> dict[str, bytes]:
    """Return the files of an archive by their last name; what an operating system adds by itself is left out."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not entry.filename.rpartition("/")[2].startswith(".")
                and not entry.filename.startswith("__MACOSX/")
            ]  # fmt: skip
            if sum(entry.file_size for entry in entries) > LARGEST_BYTES:
                raise FaultyFile(file=name, faults=[f"unpacks to more than {LARGEST_BYTES:,} bytes: no inventory"])
            names = [entry.filename.rpartition("/")[2] for entry in entries]
            if len(set(names)) < len(names):
                raise FaultyFile(file=name, faults=["holds a file of the same name twice"])
            return {short: archive.read(entry) for short, entry in zip(names, entries, strict=True)}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as fault:
        raise FaultyFile(file=name, faults=[f"not readable as a zip archive: {fault}"]) from None
