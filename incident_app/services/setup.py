"""First start: loading policy, inventory, regimes, responses and closures from the files of this instance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from incident_app.domain.calendars import read_closures
from incident_app.domain.ids import Actor
from incident_app.domain.regime_sets import check_hidden, check_together
from incident_app.domain.regimes import Regime, read_regime
from incident_app.domain.responses import read_response
from incident_app.domain.severity_methods import read_method
from incident_app.paths import read_text, shipped_files
from incident_app.services.campaigns import Sender
from incident_app.services.inventory_files import apply_import, plan_import
from incident_app.services.playbooks import PlaybookKind, newest, store_playbook
from incident_app.services.policies import any_policy, load_policy
from incident_app.services.transaction import reading

SYSTEM = Actor("system:set-up")
Files = Callable[[str], list[Path]]
"""Returns the files of one folder of playbooks, the company's own before the shipped ones."""


def load_playbooks(
    engine: Engine, files: Files, *, policy: str, forms: Collection[str] | None = None, actor: Actor, now: datetime
) -> int:
    """Load every playbook file whose text is new; return how many were. A faulty file is named, none of it kept.

    With the codes of the forms there are, a regime that names another one is refused as well.
    """
    _check_regimes(files, forms)
    loaded = 0
    for path in files("policies"):
        if path.stem == policy:
            loaded += _load_policy(engine, path, actor=actor, now=now)
    for folder, kind, read in (
        ("regimes", PlaybookKind.REGIME, read_regime),
        ("responses", PlaybookKind.RESPONSE, read_response),
        ("closures", PlaybookKind.CLOSURE, read_closures),
        ("severity", PlaybookKind.SEVERITY, read_method),
    ):
        for path in files(folder):
            text = read_text(path)
            found = read(text, file=path.name)
            version = found.version.partition("+")[0]
            stored = store_playbook(engine, kind, code=found.code, version=version, content=text, actor=actor, now=now)
            loaded += stored is not None
    return loaded


def _check_regimes(files: Files, forms: Collection[str] | None) -> None:
    """Read regimes and closures together before anything is kept: one may name what another must have."""
    regimes = _regimes(files("regimes"))
    calendars = {read_closures(read_text(path), file=path.name).code for path in files("closures")}
    check_hidden(_regimes(shipped_files("playbooks", "regimes")), regimes)
    check_together(regimes, calendars, forms)


def _regimes(paths: Iterable[Path]) -> dict[str, Regime]:
    return {path.name: read_regime(read_text(path), file=path.name) for path in paths}


def _load_policy(engine: Engine, path: Path, *, actor: Actor, now: datetime) -> int:
    with reading(engine) as session:
        before = len(newest(session, PlaybookKind.POLICY))
    load_policy(engine, read_text(path), file=path.name, actor=actor, now=now)
    with reading(engine) as session:
        return len(newest(session, PlaybookKind.POLICY)) - before


def load_inventory(engine: Engine, text: str, *, file: str, actor: Actor, now: datetime) -> int:
    """Load a file of stores against the policy in force; return how many stores were new, changed or retired."""
    plan = plan_import(engine, {file: text.encode()}, name=file)
    apply_import(engine, plan, actor=actor, now=now)
    return plan.stores_touched


def sender_of(engine: Engine, address: str) -> Sender:
    """Return who notices come from: the company of the policy, at the configured address."""
    with reading(engine) as session:
        company = any_policy(session).ourselves
    return Sender(address=address, names={"ja": company.name_ja, "en": company.name_en})
