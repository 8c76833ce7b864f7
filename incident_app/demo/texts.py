"""What the people of the demonstration write: the facts of the notice in both languages, and what only they know."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from incident_app.domain.zones import JST


def notice_facts(
    *, detected_at: datetime, now: datetime, company_ja: str, company_en: str
) -> dict[str, dict[str, str]]:
    """Return the facts of the leak notice, by language."""
    detected, today = detected_at.astimezone(JST), now.astimezone(JST)
    return {
        "ja": {**_japanese(detected, today), "company_name": company_ja},
        "en": {**_english(detected, today), "company_name": company_en},
    }


def _japanese(detected: datetime, today: datetime) -> dict[str, str]:
    day = f"{detected.year}年{detected.month}月{detected.day}日"
    return {
        "what_happened": "第三者が、他社から流出したとみられるIDとパスワードを使い、会員ページに不正にログインしました。\n"
        "一部のお客様の情報が閲覧されたことを、アクセス記録で確認しました。",
        "course_of_events": f"{day} {detected:%H:%M} 海外からの大量のログインを検知し、調査を始めました。\n"
        f"{day} 該当する接続を遮断し、対象のアカウントのパスワードを無効にしました。\n"
        "調査を続け、対象のお客様を確認でき次第お知らせしています。",
        "cause": "他のサービスと同じパスワードが使われていたことにより、第三者がログインできる状態でした。",
        "secondary_harm": "現時点で、情報の悪用は確認されていません。閲覧された情報が、不審なメールや電話、"
        "同じパスワードを使うほかのサービスへの不正ログイン、カードの不正利用（カード情報が対象の方）に使われるおそれがあります。",
        "our_measures": "対象アカウントのパスワードの無効化、接続元の遮断、不審なログインの検知条件の強化を行いました。"
        "警察に相談し、監督官庁へ報告します。",
        "prevention": "実施済み：不審なログインの検知条件の強化。\n予定：全利用者への二要素認証の必須化（2か月以内）。",
        "next_update": "新たにわかったことは、メールと公式サイトでお知らせします。",
        "where_it_leaked": "当社の会員ページ",
        "service_name": "GPUクラウド（デモ）",
        "sent_on": f"{today.year}年{today.month}月{today.day}日",
        "desk_name": "個人情報お問い合わせ窓口（デモ）",
        "desk_phone": "0120-000-000",
        "desk_mail": "privacy@incident-app.example",
        "desk_hours": "毎日 9:00〜21:00（3か月間）",
        "representative": "代表取締役社長 見本 太郎（デモ）",
    }


def _english(detected: datetime, today: datetime) -> dict[str, str]:
    return {
        "what_happened": "A third party signed in to member pages with IDs and passwords that had apparently leaked "
        "elsewhere.\nThe access records show that information about some customers was viewed.",
        "course_of_events": f"{detected:%d %b %Y %H:%M} JST: many sign-ins from abroad were noticed and looked into.\n"
        "The sources were blocked and the passwords of the accounts concerned disabled.\n"
        "We are writing to people as soon as we know that they are concerned.",
        "cause": "Passwords that were also used at other services let a third party sign in.",
        "secondary_harm": "No misuse of the information is known at present. It might be used for suspicious mails and "
        "calls, for signing in to other services with the same password and, where card data was seen, for card fraud.",
        "our_measures": "We disabled the passwords, blocked the sources and made the detection of suspicious sign-ins "
        "stricter. We consulted the police and are reporting to the authorities.",
        "prevention": "Done: stricter detection of suspicious sign-ins.\n"
        "Planned: two-factor sign-in for everybody, within two months.",
        "next_update": "Whatever we learn will be told by mail and on our official web site.",
        "where_it_leaked": "our member pages",
        "service_name": "GPU cloud (demonstration)",
        "sent_on": f"{today.day} {today:%B} {today.year}",
        "desk_name": "Personal data inquiry desk (demonstration)",
        "desk_phone": "+81 120-000-000",
        "desk_mail": "privacy@incident-app.example",
        "desk_hours": "daily 9:00 to 21:00 JST, for three months",
        "representative": "Taro Mihon (demonstration), President and Representative Director",
    }


REPORT_FACTS: Mapping[str, str] = {
    "medium": "electronic",
    "contact": "個人情報管理室 佐久間（デモ）、電話 03-0000-0000、privacy@incident-app.example",
    "contact.en": "Sakuma, privacy office (demonstration), telephone +81 3-0000-0000, privacy@incident-app.example",
    "company_kana": "ジーエムオーインターネットカブシキガイシャ",
    "corporate_number": "0000000000000（デモ）",
    "corporate_number.en": "0000000000000 (demonstration)",
    "industry": "情報通信業（インターネット附随サービス業）",
    "industry.en": "Information and communications (Internet-based services)",
    "company_address": "東京都千代田区（デモ）",
    "company_address.en": "Chiyoda, Tokyo (demonstration)",
    "found_by": "ourselves",
    "outside_investigation_state": "planned",
    "attack_method": "会員ページのログイン画面に対する、他社から流出したとみられるIDとパスワードの組による連続したログインの試行",
    "attack_method.en": "Repeated sign-ins at the sign-in page of the member site with pairs of ID and password that had "
    "apparently leaked from other services",
    "secondary_harm_known": "yes",
    "publication_state": "planned",
    "publication_means": "web",
    "publication": "対象のお客様への通知を終え次第、公式サイトに掲載します。",
    "publication.en": "On our web site, as soon as the people concerned have been told.",
    "prevention_planned": "全利用者への二要素認証の必須化（2か月以内に完了予定）",
    "prevention_planned.en": "Two-factor sign-in for everybody, within two months",
    "police": "警察のサイバー犯罪相談窓口に相談済み",
    "reports_filed": "ほかの監督機関への報告の要否を確認しています。",
    "reports_filed.en": "Whether other authorities have to be told is being looked into.",
    "other": "新たに判明した事項は、続報で報告します。",
    "other.en": "What becomes known later will be added in a follow-up.",
    "police.en": "The police's desk for cyber crime was consulted.",
}
REPORT_GAPS: Mapping[str, str] = {
    "outside-investigation": "フォレンジック調査の依頼先を選定しています。決まり次第、続報で報告します。",
}
STEP_RESULTS: Mapping[str, str] = {
    "block-logins": "接続元を遮断し、対象アカウントのパスワードを無効化した。",
    "stop-the-spread": "会員ページへの不正な接続が止まったことを確認した。",
    "tell-the-responsible": "当直から責任者へ電話で報告した。",
    "decide-awareness": "ログイン記録を突き合わせ、閲覧の痕跡を確かめた時刻を認識の時刻とした。",
    "list-accounts": "アクセス記録からアカウントごとに閲覧画面を一覧にした。",
    "preserve-evidence": "アクセス記録を保管し、ハッシュ値を控えた。",
}
