"""The words for answers that are chosen, where papers with forms of their own are held against the records."""

from __future__ import annotations

from collections.abc import Mapping

from incident_app.domain.words import Words

_YES_NO = {
    "yes": Words(ja="有", en="yes"),
    "no": Words(ja="無", en="no"),
    "unknown": Words(ja="不明", en="unknown"),
}
ANSWERS: Mapping[str, Mapping[str, Words]] = {
    "event_kind": {
        "leak": Words(ja="漏えい", en="leak"),
        "leak-possible": Words(ja="漏えいのおそれ", en="possible leak"),
        "loss": Words(ja="滅失", en="loss"),
        "loss-possible": Words(ja="滅失のおそれ", en="possible loss"),
        "damage": Words(ja="毀損", en="damage"),
        "damage-possible": Words(ja="毀損のおそれ", en="possible damage"),
    },
    "medium": {
        "paper": Words(ja="紙", en="paper"),
        "electronic": Words(ja="電子媒体", en="electronic"),
        "other": Words(ja="その他", en="other"),
    },
    "cause_kind": {
        "unauthorised-access": Words(ja="不正アクセス", en="unauthorised access"),
        "malware": Words(ja="マルウェア", en="malware"),
        "misdelivery": Words(ja="誤交付", en="handed to the wrong person"),
        "misposting": Words(ja="誤送付", en="posted to the wrong person"),
        "misdirected-mail": Words(ja="誤送信", en="sent to the wrong person"),
        "wrong-disposal": Words(ja="誤廃棄", en="disposed of by mistake"),
        "loss": Words(ja="紛失", en="lost"),
        "theft": Words(ja="盗難", en="stolen"),
        "staff": Words(ja="従業員による不正", en="act of staff"),
        "misconfiguration": Words(ja="設定ミス", en="misconfiguration"),
        "other": Words(ja="その他", en="other"),
    },
    "where_it_happened": {
        "reporter": Words(ja="報告者", en="the reporting company"),
        "processor": Words(ja="委託先", en="its processor"),
        "unknown": Words(ja="不明", en="unknown"),
    },
    "found_by": {
        "ourselves": Words(ja="自社", en="ourselves"),
        "processor": Words(ja="委託先", en="processor"),
        "business-partner": Words(ja="取引先", en="business partner"),
        "card-company": Words(ja="カード会社・決済代行会社", en="card company or payment provider"),
        "person": Words(ja="本人", en="a person concerned"),
        "other": Words(ja="その他", en="other"),
    },
    "secondary_harm_known": _YES_NO,
}
"""By question, then by code: the words of the forms that are shipped."""
