"""Words for the codes that stand in the facts of events: a reader of the timeline sees none of them."""

from __future__ import annotations

from collections.abc import Mapping

from incident_app.domain.conditions import FACTS
from incident_app.domain.consistency import QUESTIONS

_Pair = tuple[str, str]
"""The same word in Japanese and in English."""

_STANDING: Mapping[str, _Pair] = {
    "to_inform": ("これから通知", "to inform"),
    "informed": ("通知済み", "informed"),
    "not_reached": ("未達", "not reached"),
    "informed_otherwise": ("別の方法で通知済み", "told otherwise"),
    "covered_by_public_notice": ("公表で代替", "covered by public notice"),
    "exempt": ("対象外", "exempt"),
}
_ROLES: Mapping[str, _Pair] = {
    "responder": ("対応担当", "responder"),
    "privacy_officer": ("個人情報の責任者", "privacy officer"),
    "approver": ("承認者", "approver"),
    "auditor": ("監査", "auditor"),
    "admin": ("管理者", "administrator"),
    "lead": ("主担当", "lead"),
    "member": ("担当", "member"),
}
CODE_WORDS: Mapping[str, Mapping[str, _Pair]] = {
    "subject": {
        "detection": ("検知", "detection"),
        "awareness": ("認識", "awareness"),
        "all": ("全体", "everybody"),
        "card": ("カード情報を含む人", "people with card data"),
        "notice": ("通知文", "notice"),
        "campaign": ("送信の波", "wave"),
        "report": ("報告書", "report"),
        "waiver": ("不要の判断", "waiver of duty"),
        "passed:people:1000": ("1,000人の超過", "passing of 1,000 people"),
        "passed:my_number_people:100": ("マイナンバー 100人の超過", "passing of 100 people with My Number"),
    },
    "source": {
        "detected": ("検知の時点", "detected"),
        "department": ("社内の部署が知った", "a department knew"),
        "told_by_party": ("相手先から知らされた", "told by a party"),
        "threshold_passed": ("人数の基準を超えた", "threshold passed"),
    },
    "direction": {"incoming": ("受信", "incoming"), "outgoing": ("送信", "outgoing")},
    "message_kind": {
        "first_report": ("第一報", "first report"),
        "list_request": ("一覧の依頼", "request for the list"),
        "list_received": ("一覧の受領", "list received"),
        "order": ("指示", "order"),
        "tenant_data_sheet": ("利用企業への資料", "data sheet for a customer"),
        "deletion_confirmed": ("削除の確認", "deletion confirmed"),
    },
    "count_kind": {"exact": ("確定", "exact"), "estimate": ("推定", "estimate"), "maximum": ("最大", "maximum")},
    "standing": _STANDING,
    "role": _ROLES,
    "resolution": {
        "accepted": ("届いていた", "accepted"),
        "not_sent": ("送られていなかった", "not sent"),
        "send_again": ("送り直す", "to be sent again"),
    },
    "what": {
        "timeline": ("タイムライン", "timeline"),
        "commitment": ("お約束の記録", "commitment"),
        "people_outside": ("手作業で知らせる人の一覧", "people to be told by hand"),
        "outcomes": ("宛先ごとの結果", "outcomes"),
        "unreached": ("メールの届かない人の一覧", "people whom mail does not reach"),
        "letter_addresses": ("書状の宛先一覧", "addresses of letters"),
        "letters": ("書状の PDF", "letters"),
        "outcomes_masked": ("宛先ごとの結果（宛先は伏せた形）", "outcomes with masked addresses"),
        "outcomes_full": ("宛先ごとの結果（宛先を含む）", "outcomes with full addresses"),
        "genuine_pages": ("通知の真偽を確かめるページ", "pages that confirm notices"),
    },
    "way": {"phone": ("電話", "phone"), "portal": ("会員ページ", "portal"), "in_person": ("対面", "in person")},
    "correction": {
        "taken_back": ("差し出しの取り消し", "hand-over taken back"),
        "not_returned": ("返戻の取り消し", "return taken back"),
    },
    "outcome": {
        "told": ("伝えた", "told"),
        "not_reached": ("つながらなかった", "not reached"),
        "accepted": ("受付済", "accepted"),
        "refused_for_now": ("今は受け付けられない", "refused for now"),
        "refused_for_good": ("拒否", "refused for good"),
        "unknown": ("結果不明", "in doubt"),
    },
    "cover_rule": {
        "unreachable": ("ほかに連絡できる方法のない人", "whom nothing else reaches"),
        "list": ("名指しした人", "people who were named"),
    },
    "known_from": {
        "told_by_person": ("本人の申し出", "the person"),
        "own_records": ("社内の記録", "our own records"),
        "returned_letter": ("戻った郵便物", "a returned letter"),
        "entrusting_party": ("委託元", "the entrusting party"),
    },
    "fact": FACTS,
    "question": {code: (words.ja, words.en) for code, words in QUESTIONS.items()},
}
"""By the name of the fact, then by its code. A code that is not here (a company's own) reads as it is."""


def word_for(fact: str, value: str, language: str) -> str:
    """Return the word for a code, or the text itself when it is no code that the program knows."""
    pair = CODE_WORDS.get(fact, {}).get(value)
    if pair is None:
        return value
    return pair[0] if language == "ja" else pair[1]
