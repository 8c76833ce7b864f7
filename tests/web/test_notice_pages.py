"""The pages of notices and of a wave's contacts: findings with a way to accept them, and who is left out and why."""

from __future__ import annotations

import flask
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.notice_lint import LintRule
from incident_app.domain.vocabulary import Channel, Language
from incident_app.persistence.jobs import Job
from incident_app.services import contact_safety, notice_checks
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, SYSTEM
from tests.web.browsing import post, signed_in

HOME = "F1,person,customer,ja,JP,山田 太郎,home@example.jp,,\nF2,person,customer,ja,JP,山田 花子,home@example.jp,,\n"


@pytest.fixture
def author(app: flask.Flask) -> FlaskClient:
    return signed_in(app)


def an_incident(engine: Engine, **changes: str) -> tuple[str, int, int]:
    builders.import_text(engine, builders.CUSTOMERS + HOME)
    builders.import_text(engine, builders.HOLDINGS + "F1,member-db,name\nF2,member-db,name\n")
    view = builders.an_incident(engine)
    builders.determined(engine, view.id, builders.a_scope("member-db"))
    return view.reference, view.id, builders.a_notice(engine, view.id, **changes)


@pytest.mark.parametrize(
    ("language", "blocks", "accepted", "place"),
    [
        ("ja", "承認できません", "理由を付けて受け入れ済み", "行目"),
        ("en", "Stops approval", "Accepted with a reason", "Text, line"),
    ],
)
def test_a_finding_is_shown_with_its_remedy_and_accepted_with_a_reason(
    instance: Engine, author: FlaskClient, language: str, blocks: str, accepted: str, place: str
) -> None:
    reference, _, notice = an_incident(instance, next_update="次のURLからログインしてください https://www.example.jp/")
    author.get(f"/language/{language}?next=/")
    shown = f"/incidents/{reference}/notices"
    page = author.get(shown).get_data(as_text=True)
    assert blocks in page
    assert place in page
    form = {"language": "ja", "rule": "sign_in_link"}
    refused = post(author, shown, f"{shown}/{notice}/waive", reason="", **form)
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.get_data(as_text=True)
    assert post(author, shown, f"{shown}/{notice}/waive", reason="公式サイトの案内", **form).status_code == 302
    page = author.get(shown).get_data(as_text=True)
    assert accepted in page
    assert "公式サイトの案内" in page
    assert blocks not in page
    wrong = post(author, shown, f"{shown}/{notice}/waive", reason="x", language="xx", rule="sign_in_link")
    assert wrong.status_code == 422


def test_the_wave_shows_people_addresses_and_messages_and_warns_of_shared_addresses(
    instance: Engine, author: FlaskClient
) -> None:
    reference, incident, notice = an_incident(instance)
    wave = builders.a_wave(instance, incident, notice).filled
    page = author.get(f"/incidents/{reference}/dispatch/{wave.campaign_id}").get_data(as_text=True)
    assert "2通は、別々の人が共有するアドレスに" in page
    assert "アドレス数" in page
    assert "メールアドレスがない" in page


def test_what_is_typed_on_the_form_reaches_the_job_and_a_wrong_time_is_refused(
    instance: Engine, author: FlaskClient
) -> None:
    reference, _, notice = an_incident(instance)
    shown = f"/incidents/{reference}/dispatch"
    form = {"notice_id": str(notice), "rule": "everyone_to_inform", "when_uncertain": "ask"}
    refused = post(author, shown, f"{shown}/fill", contacts_as_of="きのう", **form)
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.get_data(as_text=True)
    sent = post(
        author, shown, f"{shown}/fill", contacts_as_of="2026-11-01 09:00", channel_reason="中継を切り替えた", **form
    )
    assert sent.status_code == 302
    with reading(instance) as session:
        wanted = session.scalars(sa.select(Job.parameters).order_by(Job.id.desc())).first()
    assert wanted["contacts_as_of"] == "2026-11-01T00:00:00+00:00"
    assert wanted["channel_reason"] == "中継を切り替えた"


def test_a_channel_that_is_used_with_a_reason_is_shown_to_whoever_approves(
    instance: Engine, author: FlaskClient
) -> None:
    reference, incident, notice = an_incident(instance)
    with reading(instance) as session:
        party, store = session.execute(
            sa.text(
                "SELECT p.code, s.code FROM data_stores s JOIN third_parties p ON p.id = s.operator_id "
                "WHERE NOT p.is_ourselves ORDER BY s.code"
            )
        ).first()
    builders.import_text(instance, f"customer_number,store,items\nC1,{store},name\n")
    builders.determined(instance, incident, builders.a_scope("member-db", store))
    contact_safety.record_channel(instance, party, Channel.EMAIL, mail_domain="example.jp", actor=SYSTEM, now=NOW)
    wave = builders.campaigns.fill_campaign(
        instance,
        incident,
        notice,
        rule=builders.AudienceRule.EVERYONE_TO_INFORM,
        sender=builders.campaigns.Sender(address="notice@example.jp", names={}),
        contacts=builders.campaigns.ContactChoice(channel_reason="別の網にある"),
        actor=builders.author(instance).actor,
        now=NOW,
    )
    page = author.get(f"/incidents/{reference}/dispatch/{wave.campaign_id}").get_data(as_text=True)
    assert f"漏えい元の {party} が運営する連絡手段（example.jp）を使います" in page
    assert "別の網にある" in page


def test_whoever_approves_sees_the_contacts_the_warnings_and_what_was_accepted(
    instance: Engine, app: flask.Flask
) -> None:
    reference, incident, notice = an_incident(
        instance,
        next_update="次のURLからログインしてください https://www.example.jp/",
        secondary_harm="被害は一切発生しません。",
    )
    act = {"actor": builders.author(instance).actor, "now": NOW}
    notice_checks.waive(
        instance, incident, notice, Language.JA, LintRule.SIGN_IN_LINK, reason="公式サイトの案内", **act
    )
    wave = builders.a_wave(instance, incident, notice, approved=False)
    approver = signed_in(app, "approver@example.jp")
    page = approver.get(f"/incidents/{reference}/approvals/{wave.request_id}").get_data(as_text=True)
    for words in (
        "2通は、別々の人が共有するアドレスに",
        "メールアドレスがない",
        "公式サイトの案内",
        "言い切りすぎていないか",
    ):
        assert words in page


def test_the_mail_of_anybody_in_a_wave_is_shown_as_it_is_sent_and_of_nobody_else(
    instance: Engine, author: FlaskClient, app: flask.Flask
) -> None:
    reference, incident, notice = an_incident(instance)
    wave = builders.a_wave(instance, incident, notice).filled
    assert "この人へのメールを見る" in author.get(f"/incidents/{reference}/dispatch/{wave.campaign_id}").get_data(
        as_text=True
    )
    path = f"/incidents/{reference}/notices/waves/{wave.campaign_id}/preview"
    page = author.get(f"{path}?number=F2").get_data(as_text=True)
    assert "山田 花子 様" in page
    assert "・氏名" in page
    assert "[[" not in page
    assert author.get(f"{path}?number=C5").status_code in {404, 422}
    assert signed_in(app, "auditor@example.jp").get(f"{path}?number=F2").status_code in {403, 404}
