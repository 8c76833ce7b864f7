"""What tests build on: people, incidents and notices that are valid by default, one line each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy.engine import Engine

from incident_app.demo.texts import notice_facts
from incident_app.domain.access import Role
from incident_app.domain.delivery import AudienceRule, WhenUncertain
from incident_app.domain.ids import Actor, IncidentId, NoticeId
from incident_app.domain.incidents import Opening
from incident_app.domain.scopes import Scope, TouchedList, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm, ListRelation, Subject
from incident_app.rendering.notices import NoticeTemplates
from incident_app.rendering.reports import ReportForms
from incident_app.services import (
    accounts,
    approvals,
    campaigns,
    customers,
    incidents,
    lists,
    notices,
    obligations,
    scopes,
    setup,
)
from incident_app.services.jobs import JobTools
from incident_app.services.worker import Worker, WorkerSettings
from notifications.dispatcher import DispatcherOptions
from notifications.retry import RetryPolicy
from notifications.smtp import Security, SmtpSettings, SmtpTransport

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
SYSTEM = Actor("system:test")
KEY = b"k" * 32
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
TEMPLATES = NoticeTemplates([ROOT / "templates"])
TOOLS = JobTools(address_key=KEY, uploads=Path("nowhere"))
FORMS = ReportForms([ROOT / "templates"])


def playbook_files(folder: str) -> list[Path]:
    return sorted((ROOT / "playbooks" / folder).glob("*.toml"))


def fill_instance(engine: Engine) -> None:
    """Load policy, playbooks, inventory and three accounts: what every instance has."""
    setup.load_playbooks(engine, playbook_files, policy="gpu-cloud-bygmo", actor=SYSTEM, now=NOW)
    inventory = ROOT / "playbooks" / "inventories" / "gpu-cloud-example.toml"
    setup.load_inventory(engine, inventory.read_text(encoding="utf-8"), file=inventory.name, actor=SYSTEM, now=NOW)
    for email, name, roles in (
        ("author@example.jp", "執筆 担当", {Role.RESPONDER, Role.PRIVACY_OFFICER, Role.ADMIN}),
        ("approver@example.jp", "承認 担当", {Role.APPROVER}),
        ("auditor@example.jp", "監査 担当", {Role.AUDITOR}),
    ):
        accounts.add_user(
            engine,
            email=email,
            name=name,
            password=PASSWORD,
            roles=frozenset(roles),
            actor=SYSTEM,
            now=NOW,
            hasher=CHEAP,
        )


def author(engine: Engine) -> accounts.Account:
    return accounts.get_account_by_email(engine, "author@example.jp")


def approver(engine: Engine) -> accounts.Account:
    return accounts.get_account_by_email(engine, "approver@example.jp")


CUSTOMERS = (
    "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    "C1,person,customer,ja,JP,髙橋 一郎,ichiro@example.jp,東京都渋谷区試験町1-1,050-0000-0001\n"
    "C2,person,customer,ja,JP,山﨑 花子,hana..ko@keitai.example,,\n"
    "C3,person,customer,en,DE,Jürgen Meyer,juergen@example.com,,\n"
    "C4,organisation,customer,ja,JP,株式会社みなと,info@works.example,,\n"
    "C5,person,customer,ja,JP,無 宛先,,大阪府大阪市試験町2-2,\n"
    "C6,person,staff,ja,JP,社員 太郎,taro@example.org,,\n"
)
HOLDINGS = (
    "customer_number,store,items\n"
    "C1,member-db,name email customer-number password\n"
    "C1,billing-db,card-number card-holder payment-method\n"
    "C2,member-db,name email customer-number\n"
    "C3,member-db,name email customer-number\n"
    "C4,member-db,organisation email customer-number\n"
    "C5,member-db,name address customer-number\n"
    "C6,staff-register,name email\n"
)


def import_text(engine: Engine, text: str, *, keep_good: bool = False, now: datetime = NOW) -> customers.ImportResult:
    return customers.import_file(engine, text.encode(), address_key=KEY, keep_good=keep_good, actor=SYSTEM, now=now)


def with_customers(engine: Engine) -> None:
    """Six people: two with cards or passwords, one abroad, one company, one without mail, one of our staff."""
    import_text(engine, CUSTOMERS)
    import_text(engine, HOLDINGS)


ENTRUSTED = """
title = "entrusted data"

[[stores]]
code = "tenant-volumes"
name_ja = "利用企業の保存領域"
name_en = "volumes of tenants"
medium = "system"
country = "JP"
our_role = "processor"
business_line = "telecom"
owner = "platform team"
reviewed_on = 2026-06-30
items = [{ item = "name", purpose = "service-operation" }, { item = "email", purpose = "service-operation" }]

[[stores]]
code = "tenant-disks"
name_ja = "利用企業の仮想ディスク"
name_en = "virtual disks of tenants"
medium = "system"
country = "JP"
our_role = "cloud_not_handling"
business_line = "telecom"
owner = "platform team"
reviewed_on = 2026-06-30
items = [{ item = "name", purpose = "service-operation" }]
"""
TENANTS = (
    "customer_number,kind,relation,language,jurisdiction,name,email,postal_address,phone\n"
    "T1,organisation,customer,ja,JP,株式会社みさき,misaki@works.example,,\n"
    "T2,organisation,customer,ja,JP,株式会社はるか,haruka@works.example,,\n"
    "T3,organisation,customer,ja,JP,株式会社しずか,shizuka@works.example,,\n"
)
TENANT_HOLDINGS = (
    "customer_number,store,items\n"
    "T1,tenant-volumes,name email\n"
    "T2,tenant-volumes,name email\n"
    "T3,tenant-disks,name\n"
    "C1,tenant-volumes,name\n"
)


def with_tenants(engine: Engine) -> None:
    """Two companies whose data we process, one whose disks we only keep, and a person who is no company."""
    setup.load_inventory(engine, ENTRUSTED, file="entrusted.toml", actor=SYSTEM, now=NOW)
    with_customers(engine)
    import_text(engine, TENANTS)
    import_text(engine, TENANT_HOLDINGS)


def an_incident(engine: Engine, **changes: object) -> incidents.IncidentView:
    """An incident detected an hour ago and known since; author and approver belong to it."""
    values: dict[str, object] = {
        "kind": "unauthorised-access",
        "title": "会員ページへの不正ログイン",
        "detected_at": NOW - timedelta(hours=1),
        "aware_at": NOW - timedelta(hours=1),
        **changes,
    }
    view = incidents.open_incident(engine, Opening(**values), actor=author(engine).actor, now=NOW)
    accounts.add_member(engine, view.id, approver(engine).id, role="approver", actor=author(engine).actor, now=NOW)
    return view


def a_scope(*stores: str, certainty: Certainty = Certainty.CONFIRMED, lists: Sequence[TouchedList] = ()) -> Scope:
    return Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}),
        cause=Cause.UNAUTHORISED_ACCESS,
        stores=tuple(TouchedStore(store=store, certainty=certainty) for store in stores),
        lists=tuple(lists),
    )


def a_list(
    engine: Engine,
    incident: IncidentId,
    text: str,
    *,
    relation: ListRelation = ListRelation.ADDS,
    certainty: Certainty = Certainty.CONFIRMED,
) -> TouchedList:
    loaded = lists.load_list(
        engine, incident, text.encode(), source="test", address_key=KEY, actor=author(engine).actor, now=NOW
    )
    return TouchedList(
        list_id=loaded.list_id,
        list_digest=loaded.digest,
        relation=relation,
        certainty=certainty,
        evidence_id=loaded.evidence_id,
    )


def determined(engine: Engine, incident: IncidentId, scope: Scope, *, now: datetime = NOW) -> obligations.Determined:
    """Set a scope and determine its impact."""
    scopes.set_scope(engine, incident, scope, note="what is known by now", actor=author(engine).actor, now=now)
    return obligations.determine_and_derive(engine, incident, actor=author(engine).actor, now=now)


def sample_facts() -> dict[str, dict[str, str]]:
    return notice_facts(detected_at=NOW, now=NOW, company_ja="試験株式会社", company_en="Test Inc.")


def a_notice(
    engine: Engine,
    incident: IncidentId,
    *,
    kind: str = "leak_notice",
    notice_id: NoticeId | None = None,
    **changes: str,
) -> NoticeId:
    facts = sample_facts()
    facts["ja"] |= changes
    return notices.draft_notice(
        engine,
        incident,
        TEMPLATES,
        kind=kind,
        facts=facts,
        notice_id=notice_id,
        actor=author(engine).actor,
        now=NOW,
    ).id


@dataclass(frozen=True, kw_only=True)
class Wave:
    filled: campaigns.Filled
    request_id: int


def a_wave(
    engine: Engine,
    incident: IncidentId,
    notice: NoticeId,
    *,
    rule: AudienceRule = AudienceRule.EVERYONE_TO_INFORM,
    when_uncertain: WhenUncertain = WhenUncertain.ASK,
    approved: bool = True,
) -> Wave:
    """A wave, filled and (unless told otherwise) approved by the second person."""
    filled = campaigns.fill_campaign(
        engine,
        incident,
        notice,
        rule=rule,
        sender=campaigns.Sender(address="notice@example.jp", names={"ja": "試験株式会社", "en": "Test Inc."}),
        when_uncertain=when_uncertain,
        actor=author(engine).actor,
        now=NOW,
    )
    request = approvals.request_approval(
        engine, incident, Subject.CAMPAIGN, filled.campaign_id, actor=author(engine).actor, now=NOW
    )
    if approved:
        approvals.grant(engine, request, actor=approver(engine).actor, now=NOW)
    return Wave(filled=filled, request_id=request)


def a_worker(engine: Engine, port: int, folder: Path, clock: object) -> Worker:
    """A worker that sends to a server on this machine."""
    folder.mkdir(exist_ok=True)
    transport = SmtpTransport(
        SmtpSettings(host="127.0.0.1", port=port, security=Security.PLAINTEXT_LOOPBACK_ONLY, timeout=5.0),
    )
    return Worker(
        engine,
        transport,
        WorkerSettings(
            journals=folder,
            tools=TOOLS,
            bounce_domain="bounce.example.jp",
            message_domain="example.jp",
            options=DispatcherOptions(connections=2, connect_attempts=1, idle_poll=timedelta(milliseconds=10)),
            retry=RetryPolicy(first_delay=timedelta(minutes=5), jitter=0.0),
        ),
        clock=clock,
    )


def run_until_idle(worker: Worker) -> None:
    asyncio.run(worker.run(asyncio.Event(), until_idle=True))


def load_edited(engine: Engine, folder: Path, kind: str, name: str, edit: Callable[[str], str]) -> None:
    """Load the playbooks again, one file of them changed and its version raised as a company would."""
    shipped = next(path for path in playbook_files(kind) if path.name == name)
    changed = folder / name
    text = edit(shipped.read_text(encoding="utf-8"))
    changed.write_text(text.replace('version = "', 'version = "mine-', 1), encoding="utf-8")

    def files(wanted: str) -> list[Path]:
        return [changed if wanted == kind and path.name == name else path for path in playbook_files(wanted)]

    setup.load_playbooks(engine, files, policy="gpu-cloud-bygmo", actor=SYSTEM, now=NOW + timedelta(minutes=1))


def designated(engine: Engine, folder: Path, *words: str) -> None:
    """Load a version of the policy that says what the company is."""
    listed = ", ".join(f'"{word}"' for word in words)
    load_edited(
        engine,
        folder,
        "policies",
        "gpu-cloud-bygmo.toml",
        lambda text: text.replace("[policy]\n", f"[policy]\ndesignations = [{listed}]\n", 1),
    )
