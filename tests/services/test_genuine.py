"""Pages that confirm a notice: only what was approved and sent, never a whole code, no scripts, both languages."""

from __future__ import annotations

import json
import re
import stat
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from incident_app.domain import genuine as rules
from incident_app.domain.delivery import AudienceRule, Standing
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.ids import IncidentId, NoticeId
from incident_app.domain.notices import reference_code
from incident_app.persistence.notices import Notice
from incident_app.persistence.outbox import DeliveryRow
from incident_app.persistence.timeline import EventRow
from incident_app.rendering.genuine import GenuinePages
from incident_app.services import genuine, people
from incident_app.services.genuine import AlreadyRetracted, FolderInUse, NothingSent, Written
from incident_app.services.sending_checks import WithdrawnNotSent
from incident_app.services.transaction import reading, recording
from notifications.sink import MailSink
from tests import builders
from tests.builders import NOW, author
from tests.conftest import Clock
from tests.services.returning import sent_wave, start

PAGES = GenuinePages([builders.ROOT / "templates"])


def write(engine: Engine, folder: Path) -> Written:
    return genuine.write_genuine_pages(engine, folder, PAGES, actor=author(engine).actor, now=NOW)


def tokens(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(sa.select(DeliveryRow.token)))


def text_of(folder: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html")))


class Strict(HTMLParser):
    """Notes what a page loads and links to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.targets += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


@pytest.fixture
def sent(instance: Engine, clock: Clock, tmp_path: Path) -> IncidentId:
    return sent_wave(instance, tmp_path, clock)[0]


def test_a_sent_notice_is_confirmed_by_code_day_subject_and_domain(
    instance: Engine, sent: IncidentId, tmp_path: Path
) -> None:
    written = write(instance, tmp_path / "site")
    assert (written.notices, written.codes) == (2, 4)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert modes == {0o644}
    japanese = (tmp_path / "site/ja/codes.html").read_text(encoding="utf-8")
    english = (tmp_path / "site/en/codes.html").read_text(encoding="utf-8")
    for token in tokens(instance):
        code = reference_code(token)
        for page in (japanese, english):
            assert f"<li>{code[:9]}\n" in page
            assert code not in page
    assert "2026年11月20日（金）" in japanese
    assert "Friday 20 November 2026" in english
    for page in (japanese, english):
        assert "example.jp" in page
        assert "Important notice about your personal data" in page
    index = (tmp_path / "site/ja/index.html").read_text(encoding="utf-8")
    assert "パスワード" in index
    assert "個人情報お問い合わせ窓口" in index


def test_a_genuine_letter_is_not_called_false_for_want_of_its_code(
    instance: Engine, sent: IncidentId, tmp_path: Path
) -> None:
    write(instance, tmp_path / "site")
    for name in ("codes", "index"):
        assert "郵便でお送りした書面のコードは" in (tmp_path / f"site/ja/{name}.html").read_text(encoding="utf-8")
        assert "Codes of letters by post" in (tmp_path / f"site/en/{name}.html").read_text(encoding="utf-8")
    assert "届いた通知で、コードが" not in (tmp_path / "site/ja/codes.html").read_text(encoding="utf-8")


def test_no_page_names_anybody_or_loads_anything_from_elsewhere(
    instance: Engine, sent: IncidentId, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    write(instance, site)
    whole = text_of(site)
    assert not [word for word in ("髙橋", "Meyer", "ichiro", "C1<", "会員ページへの不正ログイン") if word in whole]
    for page in site.rglob("*.html"):
        reader = Strict()
        reader.feed(page.read_text(encoding="utf-8"))
        assert not reader.tags & {"script", "iframe", "img", "form", "object", "embed"}
        for target in reader.targets:
            assert not re.match(r"[a-z]+:|//", target), target
            assert (page.parent / target).resolve().is_relative_to(site.resolve())
            assert (page.parent / target).is_file(), target


def test_what_was_not_sent_is_not_confirmed(instance: Engine, tmp_path: Path) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    wave = builders.a_wave(instance, incident, builders.a_notice(instance, incident))
    with pytest.raises(NothingSent):
        write(instance, tmp_path / "site")
    start(instance, wave.filled.campaign_id, wave.filled.planned)
    with pytest.raises(NothingSent):
        write(instance, tmp_path / "site")
    assert not (tmp_path / "site").exists()
    assert list(tmp_path.glob(".site*")) == []


def test_a_message_that_still_waits_is_left_out(instance: Engine, sent: IncidentId, tmp_path: Path) -> None:
    with recording(instance) as session:
        row = session.scalars(sa.select(DeliveryRow).order_by(DeliveryRow.id).limit(1)).one()
        row.state, code = "queued", reference_code(row.token)[:9]
    assert write(instance, tmp_path / "site").codes == 3
    assert code not in text_of(tmp_path / "site")


def test_a_withdrawn_notice_says_so_and_is_sent_no_more(instance: Engine, sent: IncidentId, tmp_path: Path) -> None:
    with reading(instance) as session:
        notice = NoticeId(session.scalars(sa.select(Notice.id)).one())
    act = {"reason": "誤りがあった", "actor": author(instance).actor, "now": NOW + timedelta(days=1)}
    genuine.retract_notice(instance, sent, notice, 1, **act)
    write(instance, tmp_path / "site")
    assert (tmp_path / "site/ja/index.html").read_text(encoding="utf-8").count("2026年11月21日（土） に取り下げ") == 2
    assert "We withdrew this notice on Saturday 21 November 2026" in text_of(tmp_path / "site")
    with pytest.raises(AlreadyRetracted):
        genuine.retract_notice(instance, sent, notice, 1, **act)
    with pytest.raises(NotFound):
        genuine.retract_notice(instance, sent, notice, 2, **act)
    with pytest.raises(BadInput):
        genuine.retract_notice(instance, sent, notice, 1, **{**act, "reason": " "})


def test_a_wave_of_a_withdrawn_notice_does_not_start(instance: Engine) -> None:
    builders.with_customers(instance)
    incident = builders.an_incident(instance).id
    builders.determined(instance, incident, builders.a_scope("member-db"))
    notice = builders.a_notice(instance, incident)
    wave = builders.a_wave(instance, incident, notice)
    genuine.retract_notice(instance, incident, notice, 1, reason="x", actor=author(instance).actor, now=NOW)
    with pytest.raises(WithdrawnNotSent):
        start(instance, wave.filled.campaign_id, wave.filled.planned)
    builders.a_notice(instance, incident, notice_id=notice)
    again = builders.approvals.request_approval(
        instance,
        incident,
        builders.Subject.CAMPAIGN,
        wave.filled.campaign_id,
        actor=author(instance).actor,
        now=NOW,
    )
    builders.approvals.grant(instance, again, actor=builders.approver(instance).actor, now=NOW)
    start(instance, wave.filled.campaign_id, wave.filled.planned)


def test_a_text_that_two_waves_sent_is_one_notice(
    instance: Engine, sent: IncidentId, clock: Clock, tmp_path: Path
) -> None:
    people.record_told(
        instance,
        sent,
        ["C2"],
        standing=Standing.NOT_REACHED,
        how="mail",
        reason="said so",
        actor=author(instance).actor,
        now=NOW,
    )
    with reading(instance) as session:
        notice = NoticeId(session.scalars(sa.select(Notice.id)).one())
    wave = builders.a_wave(instance, sent, notice, rule=AudienceRule.FAILED_ONLY)
    start(instance, wave.filled.campaign_id, 1)
    with MailSink() as sink:
        builders.run_until_idle(builders.a_worker(instance, sink.port, tmp_path / "journals", clock))
    written = write(instance, tmp_path / "site")
    assert (written.notices, written.codes) == (2, 5)


def test_a_folder_of_other_files_is_never_touched(instance: Engine, sent: IncidentId, tmp_path: Path) -> None:
    other = tmp_path / "home"
    other.mkdir()
    (other / "index.html").write_text("mine")
    with pytest.raises(FolderInUse):
        write(instance, other)
    assert (other / "index.html").read_text() == "mine"
    with pytest.raises(FolderInUse):
        write(instance, other / "index.html")


def test_an_earlier_folder_is_replaced_whole_and_the_same_again(
    instance: Engine, sent: IncidentId, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    first = write(instance, site)
    (site / "ja" / "codes-FF.html").write_text("of an earlier, larger export")
    assert write(instance, site).digest == first.digest
    assert not (site / "ja" / "codes-FF.html").exists()
    with reading(instance) as session:
        bodies = session.scalars(sa.select(EventRow.body).where(EventRow.kind == "export.made")).all()
    facts = [json.loads(body)["facts"] for body in bodies]
    assert [(fact["what"], fact["rows"], fact["digest"]) for fact in facts] == [("genuine_pages", 4, first.digest)] * 2


def test_many_codes_are_laid_out_by_their_first_characters(
    instance: Engine, sent: IncidentId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "CODES_ON_A_PAGE", 1)
    site = tmp_path / "site"
    write(instance, site)
    index = (site / "en/index.html").read_text(encoding="utf-8")
    for token in tokens(instance):
        prefix = token[:1].upper()
        assert f'href="codes-{prefix}.html"' in index
        assert reference_code(token)[:9] in (site / f"ja/codes-{prefix}.html").read_text(encoding="utf-8")


@given(st.integers(min_value=0, max_value=20_000_000))
def test_a_page_stays_small_until_there_are_more_codes_than_a_million(codes: int) -> None:
    depth = rules.depth_for(codes)
    if codes <= 1_000_000:
        assert codes / 16**depth <= rules.CODES_ON_A_PAGE
    assert depth == 0 or codes > rules.CODES_ON_A_PAGE * 16 ** (depth - 1)


@given(st.text("0123456789abcdef", min_size=24, max_size=24))
def test_a_page_shows_the_beginning_of_the_code_that_the_mail_prints_and_never_all_of_it(token: str) -> None:
    printed = reference_code(token)
    shown = rules.shown_code(token)
    assert printed.startswith(f"{shown}-")
    assert len(printed) - len(shown) == 5
    assert printed.startswith(rules.prefix_of(token, 2))
