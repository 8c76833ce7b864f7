"""The story of the demonstration: credential stuffing in small, from the alarm to the proof, by two people."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy.engine import Engine

from incident_app.demo.people import DemoPerson, customers_csv, holdings_csv, make_people
from incident_app.demo.tenants import STORES_OF_TENANTS, choose_tenants, tell_tenants
from incident_app.demo.texts import REPORT_FACTS, REPORT_GAPS, STEP_RESULTS, notice_facts
from incident_app.domain.access import Role
from incident_app.domain.customers import Refusal
from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.ids import Actor, CampaignId, IncidentId, NoticeId
from incident_app.domain.incidents import Opening
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import (
    Cause,
    Certainty,
    Harm,
    ListRelation,
    Subject,
)
from incident_app.persistence import schema
from incident_app.rendering.notices import NoticeTemplates
from incident_app.rendering.reports import ReportForms
from incident_app.services import (
    accounts,
    approvals,
    campaigns,
    commitment,
    dispatch,
    facts,
    incidents,
    lists,
    notices,
    obligations,
    people,
    reports,
    scopes,
    setup,
    steps,
)
from incident_app.services import customers as customer_import
from incident_app.services.inventory import current_inventory
from incident_app.services.transaction import reading
from incident_app.services.waves import get_campaign
from incident_app.services.worker import Worker

Say = Callable[[str], None]
SYSTEM = Actor("system:demo")
SEEN_FIRST = ("name", "email", "customer-number", "product", "contract-type")
SEEN_ON_PAYMENT_PAGE = ("payment-method", "card-number", "card-holder")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the story plays."""

    engine: Engine
    worker: Worker
    templates: NoticeTemplates
    forms: ReportForms
    playbook_files: Callable[[str], list[Path]]
    inventory_file: Path
    policy: str
    address_key: bytes
    evidence_folder: Path
    sender_address: str
    clock: Callable[[], datetime]
    hasher: PasswordHasher
    say: Say
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The two people, with the passwords made for them."""

    lead: accounts.Account
    approver: accounts.Account
    passwords: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the story left behind."""

    incident: incidents.IncidentView
    cast: Cast
    waves: tuple[CampaignId, ...]
    report: reports.ReportView


def play(stage: Stage, *, customers: int) -> Told:
    """Play the whole story; every step is a use case of the program, nothing is written past it."""
    cast = _set_up(stage)
    crowd = make_people(customers)
    _import(stage, crowd)
    incident = _open(stage, cast)
    waves: list[CampaignId] = []
    first, second, seen_cards = _lists(crowd)
    tenants = choose_tenants(crowd)
    stage.say("List one: accounts whose pages were certainly viewed.")
    _scope(stage, cast, incident.id, [_csv(first, SEEN_FIRST)])
    notice = _notice(stage, cast, incident, "leak_notice")
    waves.append(_wave(stage, cast, incident.id, notice, AudienceRule.EVERYONE_TO_INFORM))
    stage.say("List two: a wider list; some had opened the payment page, some of them were told before.")
    _scope(
        stage,
        cast,
        incident.id,
        [_csv(first, SEEN_FIRST), _csv(second, SEEN_FIRST), _csv(seen_cards, SEEN_ON_PAYMENT_PAGE)],
        tenants=tenants,
    )
    waves.append(_wave(stage, cast, incident.id, notice, AudienceRule.NEWLY_AFFECTED))
    for number in tell_tenants(stage.engine, incident.id, tenants, actor=cast.lead.actor, now=stage.clock()):
        stage.say(f"Data sheet sent to customer {number}, who entrusted data.")
    update = _notice(stage, cast, incident, "update")
    waves.append(_wave(stage, cast, incident.id, update, AudienceRule.ITEMS_CHANGED))
    _reach_the_others(stage, cast, incident.id)
    report = _report(stage, cast, incident.id)
    _work_on_steps(stage, cast, incident.id)
    commitment.discharge_promises(stage.engine, incident.id, actor=cast.lead.actor, now=stage.clock())
    return Told(incident=incident, cast=cast, waves=tuple(waves), report=report)


def _set_up(stage: Stage) -> Cast:
    schema.upgrade(stage.engine)
    now = stage.clock()
    forms = stage.forms.codes()
    setup.load_playbooks(stage.engine, stage.playbook_files, policy=stage.policy, forms=forms, actor=SYSTEM, now=now)
    setup.load_inventory(
        stage.engine,
        stage.inventory_file.read_text(encoding="utf-8"),
        file=stage.inventory_file.name,
        actor=SYSTEM,
        now=now,
    )
    lead = _account(
        stage, "lead@incident-app.example", "佐久間 玲奈", {Role.RESPONDER, Role.PRIVACY_OFFICER, Role.ADMIN}
    )
    approver = _account(stage, "approver@incident-app.example", "真壁 由紀", {Role.APPROVER})
    return Cast(lead=lead[0], approver=approver[0], passwords={lead[0].email: lead[1], approver[0].email: approver[1]})


def _account(stage: Stage, email: str, name: str, roles: set[Role]) -> tuple[accounts.Account, str]:
    password = secrets.token_urlsafe(12)
    user_id = accounts.add_user(
        stage.engine,
        email=email,
        name=name,
        password=password,
        roles=frozenset(roles),
        actor=SYSTEM,
        now=stage.clock(),
        hasher=stage.hasher,
    )
    return accounts.get_account(stage.engine, user_id), password


def _import(stage: Stage, crowd: Sequence[DemoPerson]) -> None:
    with reading(stage.engine) as session:
        inventory = current_inventory(session)
    held = {store.code: frozenset(item.item for item in store.items) for store in inventory.stores}
    flags = {item.code: frozenset(item.flags) for item in inventory.items}
    for content in (customers_csv(list(crowd)), holdings_csv(list(crowd), held, flags)):
        result = customer_import.import_file(
            stage.engine,
            content,
            address_key=stage.address_key,
            keep_good=True,
            actor=SYSTEM,
            now=stage.clock(),
            progress=stage.progress,
        )
        stage.say(
            f"Imported {result.kind}: {result.rows_kept:,} rows kept, {len(result.refusals)} lines with a remark."
        )
        for reason, lines in _by_reason(result.refusals).items():
            more = f" and {len(lines) - 1:,} more" if len(lines) > 1 else ""
            stage.say(f"  line {lines[0]:,}{more}: {reason}")


def _by_reason(refusals: Iterable[Refusal]) -> dict[str, list[int]]:
    lines: dict[str, list[int]] = {}
    for refusal in refusals:
        kept = " (the person was kept)" if refusal.person_kept else ""
        lines.setdefault(f"{refusal.reason}{kept}", []).append(refusal.line)
    return lines


def _open(stage: Stage, cast: Cast) -> incidents.IncidentView:
    now = stage.clock()
    incident = incidents.open_incident(
        stage.engine,
        Opening(
            kind="unauthorised-access",
            title="会員ページへの不正ログイン（デモ）",
            detected_at=now - timedelta(hours=14),
            occurred_from=now - timedelta(hours=15),
            occurred_until=now - timedelta(hours=13),
            aware_at=now - timedelta(hours=11),
            aware_reason="ログイン記録を突き合わせ、会員情報が閲覧された痕跡を確かめた時刻のため",
            known_by="セキュリティ監視",
        ),
        actor=cast.lead.actor,
        now=now,
    )
    accounts.add_member(
        stage.engine, incident.id, cast.approver.id, role="approver", actor=cast.lead.actor, now=stage.clock()
    )
    stage.say(f"{incident.reference} opened by the lead; the approver joined.")
    return incident


def _lists(crowd: Sequence[DemoPerson]) -> tuple[list[str], list[str], list[str]]:
    """Return the numbers on list one, those that list two adds, and those who had opened the payment page."""
    members = [person for person in crowd if person.relation == "customer"]
    first = [person.number for person in members[::30]]
    second = [person.number for person in members[1::8] if person.number not in set(first)]
    paid_by_card = {person.number for person in members if person.pays_by_card}
    cards = [number for number in (*first[::20], *second[::12]) if number in paid_by_card]
    return first, second, cards


def _csv(numbers: Sequence[str], items: Sequence[str]) -> bytes:
    rows = [f"{number},{' '.join(items)}" for number in numbers]
    return "\n".join(["customer_number,items", *rows, ""]).encode()


def _touched(
    stage: Stage, cast: Cast, incident_id: IncidentId, content: bytes, relation: ListRelation = ListRelation.ADDS
) -> TouchedList:
    loaded = lists.load_list(
        stage.engine,
        incident_id,
        content,
        source="access log (demonstration)",
        address_key=stage.address_key,
        evidence_folder=stage.evidence_folder,
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    return TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=relation,
        certainty=Certainty.CONFIRMED,
        evidence_id=loaded.evidence_id,
    )


def _scope(
    stage: Stage, cast: Cast, incident_id: IncidentId, files: Sequence[bytes], *, tenants: Sequence[str] = ()
) -> None:
    """Set what was touched: people on lists, and of the tenants named what lies in their accounts and storage."""
    entries = [_touched(stage, cast, incident_id, content) for content in files]
    if tenants:
        numbers = "\n".join(["customer_number", *tenants, ""]).encode()
        entries.append(_touched(stage, cast, incident_id, numbers, ListRelation.ONLY))
    stores = tuple(TouchedStore(store=code, certainty=Certainty.CONFIRMED) for code in STORES_OF_TENANTS if tenants)
    scope = Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}), cause=Cause.UNAUTHORISED_ACCESS, stores=stores, lists=tuple(entries)
    )
    scopes.set_scope(stage.engine, incident_id, scope, actor=cast.lead.actor, now=stage.clock())
    facts.decide_fact(
        stage.engine,
        incident_id,
        "communications_secrecy",
        value=False,
        reason="閲覧された画面に通信の内容や記録は含まれていない",
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    found = obligations.determine_and_derive(stage.engine, incident_id, actor=cast.lead.actor, now=stage.clock())
    counts = ", ".join(f"{number:,} {certainty}" for certainty, number in found.by_certainty.items())
    stage.say(f"Impact version {found.version}: {counts}.")


def _notice(stage: Stage, cast: Cast, incident: incidents.IncidentView, kind: str) -> NoticeId:
    company = setup.sender_of(stage.engine, stage.sender_address).names
    drafted = notices.draft_notice(
        stage.engine,
        incident.id,
        stage.templates,
        kind=kind,
        facts=notice_facts(
            detected_at=incident.detected_at, now=stage.clock(), company_ja=company["ja"], company_en=company["en"]
        ),
        title="本人への通知" if kind == "leak_notice" else "本人への続報",
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    return drafted.id


def _wave(stage: Stage, cast: Cast, incident_id: IncidentId, notice: NoticeId, rule: AudienceRule) -> CampaignId:
    filled = campaigns.fill_campaign(
        stage.engine,
        incident_id,
        notice,
        rule=rule,
        sender=setup.sender_of(stage.engine, stage.sender_address),
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    request = approvals.request_approval(
        stage.engine, incident_id, Subject.CAMPAIGN, filled.campaign_id, actor=cast.lead.actor, now=stage.clock()
    )
    approvals.grant(stage.engine, request, actor=cast.approver.actor, now=stage.clock())
    dispatch.start_campaign(
        stage.engine, filled.campaign_id, typed_count=filled.planned, actor=cast.lead.actor, now=stage.clock()
    )
    asyncio.run(_send(stage, filled.campaign_id))
    totals = get_campaign(stage.engine, filled.campaign_id).totals
    stage.say(
        f"Wave {filled.wave}: {filled.people:,} people, {totals.planned:,} messages = {totals.sent:,} sent"
        f" + {totals.failed:,} failed + {totals.skipped:,} skipped + {totals.in_doubt:,} in doubt"
        f" + {totals.waiting:,} waiting; {filled.unreachable:,} people have no e-mail address.",
    )
    return filled.campaign_id


async def _send(stage: Stage, campaign_id: CampaignId) -> None:
    """Let the worker run until the wave is settled; refusals for now are tried again after their delay."""
    stop = asyncio.Event()
    while not get_campaign(stage.engine, campaign_id).totals.is_settled:
        await stage.worker.run(stop, until_idle=True)
        totals = get_campaign(stage.engine, campaign_id).totals
        if stage.progress:
            stage.progress(totals.planned - totals.waiting, totals.planned)
        if totals.in_doubt and not totals.waiting:
            return
        await asyncio.sleep(0.1)


def _reach_the_others(stage: Stage, cast: Cast, incident_id: IncidentId) -> None:
    """Tell by letter those without a mail address and by telephone those whom mail did not reach."""
    for standing, how, reason in (
        (Standing.TO_INFORM, "letter", "メールアドレスがないため、簡易書留で通知した"),
        (Standing.NOT_REACHED, "phone", "メールが届かないため、担当者が電話で知らせた"),
    ):
        numbers = people.numbers_with(stage.engine, incident_id, standing)
        if numbers:
            people.record_told(
                stage.engine,
                incident_id,
                numbers,
                standing=Standing.INFORMED_OTHERWISE,
                how=how,
                reason=reason,
                actor=cast.lead.actor,
                now=stage.clock(),
            )
            stage.say(f"{len(numbers):,} people were told by {how}.")


def _report(stage: Stage, cast: Cast, incident_id: IncidentId) -> reports.ReportView:
    duties = obligations.list_obligations(stage.engine, incident_id)
    duty = next(duty for duty in duties if duty.rule == "jp-appi:preliminary")
    drafted = reports.draft_report(
        stage.engine,
        incident_id,
        stage.forms,
        form="jp-appi-preliminary",
        given=dict(REPORT_FACTS),
        stated_gaps=dict(REPORT_GAPS),
        obligation_id=duty.id,
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    request = approvals.request_approval(
        stage.engine, incident_id, Subject.REPORT, drafted.id, actor=cast.lead.actor, now=stage.clock()
    )
    approvals.grant(stage.engine, request, actor=cast.approver.actor, now=stage.clock())
    reports.file_report(
        stage.engine,
        incident_id,
        drafted.id,
        channel="web form",
        receipt="DEMO-0001",
        forms=stage.forms,
        actor=cast.lead.actor,
        now=stage.clock(),
    )
    stage.say(f"Preliminary report filed ({duty.addressee_en}).")
    return reports.get_report(stage.engine, incident_id, drafted.id)


def _work_on_steps(stage: Stage, cast: Cast, incident_id: IncidentId) -> None:
    for code, result in STEP_RESULTS.items():
        steps.finish_step(stage.engine, incident_id, code, result=result, actor=cast.lead.actor, now=stage.clock())
