"""The pages of people not reached by mail, and of letters: every form of them is sent, refused and accepted."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import flask
import pytest
from flask.testing import FlaskClient
from sqlalchemy.engine import Engine

from incident_app.domain.delivery import Standing
from incident_app.domain.letters import BatchStatus
from incident_app.services import approvals, incidents, jobs, letters_shown, unreached_contacts
from incident_app.services.jobs import JobTools
from tests import builders
from tests.builders import KEY, NOW, author
from tests.conftest import Clock
from tests.services.reaching import a_bounced_wave
from tests.services.returning import standing_of
from tests.web.browsing import check, csrf_of, post, read, refused_field, signed_in

BATCH = "2026-0001-001"


@pytest.fixture
def reference(app: flask.Flask, instance: Engine, clock: Clock, tmp_path: Path) -> str:
    """An incident of whose people C1 bounced and C5 has no mail address."""
    a_bounced_wave(instance, tmp_path, clock)
    clock.forward(timedelta(hours=1))
    return incidents.list_incidents(instance, author(instance))[0].reference


def both_languages(client: FlaskClient, path: str) -> tuple[str, str]:
    """Return the words of a page in Japanese and in English, each looked at."""
    texts = []
    for language in ("ja", "en"):
        client.get(f"/language/{language}")
        page = read(client.get(path))
        check(page)
        texts.append(page.text)
    client.get("/language/ja")
    return texts[0], texts[1]


def work(app: flask.Flask, engine: Engine) -> None:
    home = app.extensions["incident_app"].evidence.parent
    tools = JobTools(address_key=KEY, uploads=home / "uploads")
    assert jobs.work_on_next(engine, tools, owner="test", now=NOW + timedelta(hours=1))


def test_empty_pages_say_why_and_what_to_do(app: flask.Flask, instance: Engine) -> None:
    builders.with_customers(instance)
    ref = builders.an_incident(instance).reference
    client = signed_in(app)
    japanese, english = both_languages(client, f"/incidents/{ref}/unreached")
    assert "メールの届かない人はいません" in japanese
    assert "nobody whom mail does not reach" in english
    assert "記録はまだありません" in both_languages(client, f"/incidents/{ref}/unreached/contacts")[0]
    assert "書状はまだありません" in both_languages(client, f"/incidents/{ref}/letters")[0]


def test_people_are_worked_off_and_a_record_is_taken_back_on_pages(
    app: flask.Flask, instance: Engine, reference: str
) -> None:
    client = signed_in(app)
    path = f"/incidents/{reference}/unreached"
    japanese, english = both_languages(client, path)
    for text in ("2人のうち 0人", "メールが戻った", "メールアドレスがない", "髙●●●"):
        assert text in japanese, text
    assert "髙橋" not in japanese
    assert "0 of 2 people" in english
    narrowed = read(client.get(f"{path}?because=bounced&channel=post"))
    check(narrowed)
    assert "C5" not in narrowed.text
    assert "この条件に当てはまる人はいません" in read(client.get(f"{path}?channel=phone")).text
    assert client.get(f"{path}?after=99999999999999999999&channel=x").status_code == 200
    refused = post(client, path, f"{path}/contacts", way="phone", outcome="told", numbers="C1", at="", reason="")
    assert refused_field(read(refused)).attributes["name"] == "reason"
    refused = post(client, path, f"{path}/contacts", way="phone", outcome="told", numbers="C9", at="", reason="窓口")
    assert "1行目（知らない番号です）" in read(refused).text
    listed = (io.BytesIO("顧客番号\r\nC1\r\n".encode("cp932")), "called.csv")
    done = client.post(
        f"{path}/contacts",
        data={
            "csrf_token": csrf_of(client, path),
            "way": "phone",
            "outcome": "told",
            "numbers": "",
            "at": "2026-11-20 18:00",
            "reason": "窓口から電話した",
            "file": listed,
        },
    )
    assert done.status_code == 302
    assert standing_of(instance, "C1") is Standing.INFORMED_OTHERWISE
    assert "2人のうち 1人" in read(client.get(path)).text
    records = f"{path}/contacts"
    assert "窓口から電話した" in both_languages(client, records)[0]
    view = incidents.list_incidents(instance, author(instance))[0]
    number = unreached_contacts.list_records(instance, view.id)[0].record
    back = f"{records}/{number}/take-back"
    assert refused_field(read(post(client, records, back, numbers="", reason=""))).attributes["name"] == "reason"
    assert post(client, records, back, numbers="C1", reason="別の人").status_code == 302
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    exported = post(client, path, f"{path}/export", purpose="電話の担当", channel="post", because="bounced")
    assert exported.mimetype == "text/csv"
    assert "髙橋 一郎" in exported.get_data().decode("utf-8-sig")
    assert "C5" not in exported.get_data(as_text=True)
    assert post(client, path, f"{path}/export", purpose="", channel="", because="").status_code == 422


def test_letters_are_prepared_handed_over_and_returned_on_pages(
    app: flask.Flask, instance: Engine, reference: str
) -> None:
    client = signed_in(app)
    path = f"/incidents/{reference}/letters"
    page = read(client.get(path))
    check(page)
    assert "2人います" in page.text
    sender = {name: page.form("/prepare").value(name) for name in ("sender_ja", "sender_en", "printed_on")}
    assert "150-8512" in str(sender["sender_ja"])
    assert sender["printed_on"] == "2026-11-20"
    refused = post(client, path, f"{path}/prepare", **sender, batch_size="many")
    assert refused_field(read(refused)).attributes["name"] == "batch_size"
    assert post(client, path, f"{path}/prepare", **sender, batch_size="５００").status_code == 302
    work(app, instance)
    one = f"{path}/{BATCH}"
    assert BATCH in both_languages(client, path)[0]
    japanese, english = both_languages(client, one)
    assert "用意済み" in japanese
    assert "prepared" in english
    first, second = (letter.code for letter in letters_shown.list_letters(instance, BATCH))
    found = client.get(f"{path}/find?code={first.replace('-', '')}")
    assert found.status_code == 302
    assert found.location.endswith(f"{one}?after=0#{first}")
    misread = client.get(f"{path}/find?code={first[:-1]}{'0' if first[-1] != '0' else '1'}")
    assert refused_field(read(misread)).attributes["name"] == "code"
    pdf = post(client, one, f"{one}/letters.pdf", purpose="印刷する")
    assert pdf.mimetype == "application/pdf"
    assert pdf.get_data().startswith(b"%PDF")
    addresses = post(client, one, f"{one}/addresses.csv", purpose="印刷会社へ", encoding="shift_jis")
    assert "髙橋 一郎 様" in addresses.get_data().decode("cp932")
    refused = post(client, one, f"{one}/handed-over", date="昨日")
    assert refused_field(read(refused)).attributes["name"] == "date"
    receipt = (io.BytesIO(b"receipt"), "receipt.pdf")
    token = csrf_of(client, one)
    over = client.post(f"{one}/handed-over", data={"csrf_token": token, "date": "2026-11-20", "file": receipt})
    assert over.status_code == 302
    assert letters_shown.show_batch(instance, BATCH).receipt_id is not None
    assert "差し出し済み" in both_languages(client, one)[0]
    returned = f"{path}/returned"
    wrong = read(post(client, path, returned, codes=f"{first} x"))
    assert "2行目（書状のコードの形ではありません）" in wrong.text
    assert post(client, path, returned, codes=first).status_code == 302
    assert standing_of(instance, "C1") is Standing.NOT_REACHED
    assert "書状が戻った" in read(client.get(f"/incidents/{reference}/unreached")).text
    assert first in read(client.get(f"{one}?state=returned")).text
    assert second not in read(client.get(f"{one}?state=returned")).text
    assert "この状態の書状はありません" in read(client.get(f"{one}?state=discarded")).text
    back = f"{path}/not-returned"
    assert refused_field(read(post(client, path, back, codes=first, reason=""))).attributes["name"] == "reason"
    assert post(client, path, back, codes=first, reason="読み違い").status_code == 302
    assert post(client, one, f"{one}/take-back", reason="別の束").status_code == 302
    assert post(client, one, f"{one}/discard", reason="刷り直す").status_code == 302
    assert letters_shown.show_batch(instance, BATCH).status is BatchStatus.DISCARDED
    assert "破棄" in both_languages(client, one)[0]


def test_a_text_for_letters_is_approved_on_its_page(app: flask.Flask, instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, view.id)
    client, path = signed_in(app), f"/incidents/{view.reference}/letters"
    assert post(client, path, f"{path}/approval", notice_id=notice).status_code == 302
    (request,) = approvals.pending_approvals(instance, view.id)
    shown = f"/incidents/{view.reference}/approvals/{request.id}"
    second = signed_in(app, "approver@example.jp")
    japanese, english = both_languages(second, shown)
    assert "この書面" in japanese
    assert "this letter" in english
    both_languages(second, "/approvals")
    both_languages(second, path)
    both_languages(second, f"/incidents/{view.reference}/unreached")
    assert post(second, shown, f"{shown}/grant").status_code == 302


def test_a_refused_preparation_says_why_on_the_page(app: flask.Flask, instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    client, path = signed_in(app), f"/incidents/{view.reference}/letters"
    fields = {"sender_ja": "試験株式会社", "sender_en": "Test", "printed_on": "", "batch_size": "10"}
    post(client, path, f"{path}/prepare", **fields)
    work(app, instance)
    assert "先に、ほかの人の承認が必要です" in both_languages(client, path)[0]


def test_a_batch_of_another_incident_does_not_exist_here(app: flask.Flask, instance: Engine, reference: str) -> None:
    client = signed_in(app)
    other = builders.an_incident(instance, title="別の事案").reference
    assert client.get(f"/incidents/{other}/letters/{BATCH}").status_code == 404
    assert client.get(f"/incidents/{reference}/letters/2026-0001-009").status_code == 404
