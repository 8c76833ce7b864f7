"""Variants of notices: each reaches those it is for, and findings stop approval until somebody accepts them."""

import shutil
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId, NoticeId
from incident_app.domain.notice_lint import LintRule, Severity
from incident_app.domain.notices import salutation
from incident_app.domain.scopes import Scope, TouchedStore
from incident_app.domain.vocabulary import Cause, Certainty, Harm, Language, PersonKind, Subject
from incident_app.persistence.customers import Customer
from incident_app.persistence.outbox import DeliveryPerson, DeliveryRow, PersonToInform
from incident_app.rendering.notices import NoticeTemplates
from incident_app.services import all_clear, approvals, audience, dispatch, notice_checks, notices, people, previews
from incident_app.services.transaction import reading
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, TEMPLATES, a_worker, approver, author, run_until_idle, sample_facts
from tests.conftest import Clock


def facts_for(kind: str) -> dict[str, dict[str, str]]:
    facts = {}
    for language in ("ja", "en"):
        sample, needed = sample_facts()[language], TEMPLATES.facts_needed(kind, language)
        filler = "お調べしています。" if language == "ja" else "being looked into"
        facts[language] = {fact.name: sample.get(fact.name, filler) for fact in needed}
    return facts


def draft(engine: Engine, incident: IncidentId, kind: str, templates: NoticeTemplates = TEMPLATES) -> NoticeId:
    return notices.draft_notice(
        engine, incident, templates, kind=kind, facts=facts_for(kind), actor=author(engine).actor, now=NOW
    ).id


def numbers_in(engine: Engine, campaign: int) -> set[str]:
    with reading(engine) as session:
        return set(
            session.scalars(
                sa.select(Customer.customer_number)
                .join(PersonToInform, PersonToInform.customer_id == Customer.id)
                .join(DeliveryPerson, DeliveryPerson.person_id == PersonToInform.id)
                .join(DeliveryRow, DeliveryRow.id == DeliveryPerson.delivery_id)
                .where(DeliveryRow.campaign_id == campaign)
            )
        )


@pytest.fixture
def both_rings(instance: Engine) -> IncidentId:
    """C1 is confirmed through the billing store; the others are assumed; staff is in the register of staff."""
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    stores = [
        ("billing-db", Certainty.CONFIRMED),
        ("member-db", Certainty.ASSUMED),
        ("staff-register", Certainty.ASSUMED),
    ]
    scope = Scope(
        harms=frozenset({Harm.CONFIDENTIALITY}),
        cause=Cause.UNAUTHORISED_ACCESS,
        stores=tuple(TouchedStore(store=store, certainty=certainty) for store, certainty in stores),
    )
    builders.determined(instance, view.id, scope)
    return view.id


def test_a_notice_of_a_possible_leak_goes_only_to_people_of_whom_nothing_is_confirmed(
    instance: Engine, both_rings: IncidentId
) -> None:
    wave = builders.a_wave(instance, both_rings, draft(instance, both_rings, "possible_leak_notice"))
    assert numbers_in(instance, wave.filled.campaign_id) == {"C2", "C3", "C4", "C6"}
    assert wave.filled.unreachable == 1  # C5 has no address; C1 is for another notice and is not left out of this one
    rest = builders.a_wave(instance, both_rings, draft(instance, both_rings, "leak_notice"))
    assert numbers_in(instance, rest.filled.campaign_id) == {"C1"}


def test_a_notice_to_staff_goes_to_staff_only(instance: Engine, both_rings: IncidentId) -> None:
    wave = builders.a_wave(instance, both_rings, draft(instance, both_rings, "staff_notice"))
    assert numbers_in(instance, wave.filled.campaign_id) == {"C6"}


@pytest.mark.parametrize("kind", ["entrusting_notice", "recipient_notice"])
def test_what_goes_to_other_companies_is_never_sent_to_customers(
    instance: Engine, both_rings: IncidentId, kind: str
) -> None:
    with pytest.raises(audience.ToldByHand):
        builders.a_wave(instance, both_rings, draft(instance, both_rings, kind))


def test_who_was_told_and_turns_out_not_to_be_concerned_gets_the_all_clear(
    instance: Engine, clock: Clock, tmp_path: Path
) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db", "staff-register"))
    first = builders.a_wave(instance, view.id, builders.a_notice(instance, view.id))
    dispatch.start_campaign(instance, first.filled.campaign_id, typed_count=first.filled.planned, **act)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
    assert all_clear.list_cleared(instance, view.id, **act).added == 0
    later = NOW + timedelta(hours=1)
    builders.determined(instance, view.id, builders.a_scope("member-db"), now=later)
    assert all_clear.list_cleared(instance, view.id, actor=author(instance).actor, now=later).added == 1
    assert all_clear.list_cleared(instance, view.id, actor=author(instance).actor, now=later).added == 0
    wave = builders.a_wave(instance, view.id, draft(instance, view.id, "all_clear"))
    assert numbers_in(instance, wave.filled.campaign_id) == {"C6"}
    dispatch.start_campaign(instance, wave.filled.campaign_id, typed_count=1, **act)
    with MailSink() as sink:
        run_until_idle(a_worker(instance, sink.port, tmp_path / "j", clock))
        (mail,) = sink.received
    text = message_from_bytes(mail.content, policy=SMTP).get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "先にお知らせした次の情報は、調査の結果、対象ではなかったと判断しました。\n・氏名" in text
    assert "漏えいしたことを確認しました" not in text
    assert people.standings(instance, view.id)[Standing.INFORMED] == first.filled.people


def test_who_is_affected_again_gets_no_all_clear(instance: Engine, clock: Clock, tmp_path: Path) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    both, one = builders.a_scope("member-db", "staff-register"), builders.a_scope("member-db")
    builders.determined(instance, view.id, both)
    people.record_told(
        instance, view.id, ["C6"], standing=Standing.INFORMED_OTHERWISE, how="phone", reason="電話", **act
    )
    builders.determined(instance, view.id, one, now=NOW + timedelta(hours=1))
    assert all_clear.list_cleared(instance, view.id, **act).added == 1
    builders.determined(instance, view.id, both, now=NOW + timedelta(hours=2))
    assert all_clear.list_cleared(instance, view.id, **act).exempted == 1
    builders.determined(instance, view.id, one, now=NOW + timedelta(hours=3))
    assert all_clear.list_cleared(instance, view.id, **act).added == 0
    wave = builders.a_wave(instance, view.id, draft(instance, view.id, "all_clear"))
    assert numbers_in(instance, wave.filled.campaign_id) == {"C6"}


def without_cause(folder: Path) -> NoticeTemplates:
    """A company's own templates whose text says nothing of the cause."""
    shutil.copytree(builders.ROOT / "templates" / "notices" / "leak_notice", folder / "notices" / "leak_notice")
    for language in ("ja", "en"):
        for name in ("body.txt", "body.html", "facts.toml"):
            path = folder / "notices" / "leak_notice" / language / name
            text = path.read_text(encoding="utf-8")
            if name == "facts.toml":
                start = text.index('[[facts]]\nname = "cause"')
                text = text[:start] + text[text.index("[[facts]]", start + 1) :]
            text = text.replace("■ 原因\n{{ cause }}\n\n", "").replace("CAUSE\n{{ cause }}\n\n", "")
            lines = [line for line in text.splitlines(keepends=True) if "cause.splitlines" not in line]
            path.write_text("".join(lines), encoding="utf-8")
    return NoticeTemplates([folder])


def test_a_text_without_an_item_that_law_demands_is_not_approved_until_somebody_says_why(
    instance: Engine, tmp_path: Path
) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    templates = without_cause(tmp_path)
    facts = {
        language: {name: said for name, said in values.items() if name != "cause"}
        for language, values in sample_facts().items()
    }
    notice = notices.draft_notice(instance, view.id, templates, kind="leak_notice", facts=facts, **act)
    assert {(entry.language, entry.rule) for entry in notice.findings} == {
        ("ja", LintRule.REQUIRED_ITEM),
        ("en", LintRule.REQUIRED_ITEM),
    }
    assert "jp-appi" in notice.findings[0].what.en
    with pytest.raises(notice_checks.NoticeNotReady) as refusal:
        builders.a_wave(instance, view.id, notice.id)
    assert "原因" in refusal.value.message("ja")
    assert "the cause" in refusal.value.message("en")
    for language in Language:
        with pytest.raises(BadInput, match="reason"):
            notice_checks.waive(instance, view.id, notice.id, language, LintRule.REQUIRED_ITEM, reason=" ", **act)
        notice_checks.waive(
            instance, view.id, notice.id, language, LintRule.REQUIRED_ITEM, reason="原因は調査中と別に記載", **act
        )
    with pytest.raises(BadInput, match="no such finding"):
        notice_checks.waive(instance, view.id, notice.id, Language.JA, LintRule.REQUIRED_ITEM, reason="もう一度", **act)
    with reading(instance) as session:
        campaign = session.scalar(sa.text("SELECT max(id) FROM campaigns"))
    request = approvals.request_approval(instance, view.id, Subject.CAMPAIGN, campaign, **act)
    again = notices.draft_notice(
        instance, view.id, templates, kind="leak_notice", facts=facts, notice_id=notice.id, **act
    )
    assert again.waived == ()  # a new version is judged anew
    with pytest.raises((approvals.ApprovalOutdated, approvals.AlreadyDecided, notice_checks.NoticeNotReady)):
        approvals.grant(instance, request, actor=approver(instance).actor, now=NOW)


def test_only_findings_that_stop_approval_are_accepted_and_only_in_ones_own_incident(instance: Engine) -> None:
    act = {"actor": author(instance).actor, "now": NOW}
    view, other = builders.an_incident(instance), builders.an_incident(instance, title="別の事案")
    notice = builders.a_notice(instance, view.id, secondary_harm="被害は発生しません。")
    (finding,) = notices.get_notice(instance, view.id, notice).findings
    assert finding.severity is Severity.WARNS
    with pytest.raises(BadInput, match="no such finding"):
        notice_checks.waive(instance, view.id, notice, Language.JA, LintRule.OVER_CERTAIN, reason="確認済み", **act)
    with pytest.raises(NotFound):
        notice_checks.waive(instance, other.id, notice, Language.JA, LintRule.OVER_CERTAIN, reason="確認済み", **act)


@given(
    name=st.text(alphabet="山田太郎 株式会社様御中殿さま　", max_size=12),
    kind=st.sampled_from(PersonKind),
)
def test_nobody_is_addressed_with_a_doubled_or_missing_form(name: str, kind: PersonKind) -> None:
    said = salutation(name, kind, Language.JA)
    ending = "御中" if kind is PersonKind.ORGANISATION else "様"
    assert said.endswith((ending, "ご担当者様"))
    body = said.removesuffix(ending).rstrip()
    assert body in {"", "ご担当者様"} or not body.endswith(("様", "御中", "殿", "さま")) or said == "ご担当者様"
    assert said.strip() not in {"様", "御中"}


def test_a_person_without_a_name_is_still_addressed() -> None:
    assert salutation("", PersonKind.PERSON, Language.JA) == "ご本人様"
    assert salutation(" ", PersonKind.ORGANISATION, Language.JA) == "ご担当者様"
    assert salutation("Dear Ada", PersonKind.PERSON, Language.EN) == "Dear Ada"
    assert salutation("", PersonKind.PERSON, Language.EN) == "Dear Sir or Madam"
    assert salutation("山田 太郎 様", PersonKind.PERSON, Language.JA) == "山田 太郎 様"


def test_every_rule_of_an_audience_keeps_to_the_kind_of_the_notice(instance: Engine, both_rings: IncidentId) -> None:
    notice = draft(instance, both_rings, "staff_notice")
    wave = builders.a_wave(instance, both_rings, notice, rule=AudienceRule.NEWLY_AFFECTED)
    assert numbers_in(instance, wave.filled.campaign_id) == {"C6"}


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", ["entrusting_notice", "recipient_notice"])
def test_what_goes_by_hand_is_written_to_a_company_with_the_items_it_is_about(
    instance: Engine, both_rings: IncidentId, kind: str, language: Language
) -> None:
    notice = draft(instance, both_rings, kind)
    to = previews.ByHand(
        name="株式会社みさき",
        kind=PersonKind.ORGANISATION,
        language=language,
        items=frozenset({"email"}),
        assumed=True,
    )
    subject, text, html = previews.write_by_hand(instance, both_rings, notice, to, token="ab" * 12)
    assert subject
    assert ("株式会社みさき 御中" if language is Language.JA else "Dear 株式会社みさき") in text
    assert ("・メールアドレス" if language is Language.JA else "- ") in text
    assert "・パスワード" not in text
    assert "[[" not in text + html
    with pytest.raises(NotFound):
        previews.write_by_hand(
            instance, both_rings, notice, replace(to, items=frozenset({"no-such-item"})), token="ab" * 12
        )
    assert "みさき" not in repr(to)
