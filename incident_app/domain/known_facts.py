"""The facts of an incident that regimes may ask for: their names, what values they take, and who settles them."""

from __future__ import annotations

from collections.abc import Mapping

from incident_app.domain.vocabulary import BusinessLine, Certainty, Harm, ItemFlag, OurRole, Relation

FACTS: Mapping[str, tuple[str, str]] = {
    "anybody_affected": ("影響を受けた人がいる", "somebody is affected"),
    "people": ("本人の数（未確定なら最大）", "number of people (the maximum while open)"),
    "rings": ("影響の確かさ（確定・推定）", "how sure it is who is affected (confirmed, assumed)"),
    "categories": ("影響を受けた情報の種別", "categories of the data affected"),
    "items": ("影響を受けた項目", "items affected"),
    "flags": (
        "影響を受けた項目の性質（保護されていたものを除く）",
        "flags of the items affected, protected ones left out",
    ),
    "relations": ("本人の立場", "relations of the people"),
    "jurisdictions": ("本人のいる国", "jurisdictions of the people"),
    "our_roles": ("データについての当社の立場", "our roles for the data"),
    "business_lines": ("事業の区分", "business lines"),
    "harms": ("漏えい・改ざん・滅失の別", "harms"),
    "payable_combination": ("決済に使える情報の組み合わせ", "a combination that lets somebody pay"),
    "improper_purpose": ("不正の目的をもった行為", "an act of improper purpose"),
    "communications_secrecy": ("通信の秘密に当たる", "secrecy of communications was touched"),
    "entrusting_party_told": ("データを預けた利用企業に知らせた", "the tenants whose data it is were told"),
    "encryption_exempt": ("高度な暗号化などで保護されていた", "everything was strongly encrypted with the key safe"),
    "high_risk_to_people": ("本人への高いリスク", "a high risk to the people"),
    "no_risk_to_people": ("本人へのリスクが生じそうにない", "a risk to the people is unlikely"),
    "visible_to_the_public": ("不特定多数の人が見られる状態になった", "the public could see it"),
    "my_number_people": ("マイナンバーが影響を受けた人の数", "number of people whose My Number was affected"),
    "important_computer_attacked": (
        "特定重要電子計算機への侵害があった",
        "a specified important computer was attacked",
    ),
    "significant_incident": ("NIS2の重大なインシデント", "a significant incident in the sense of NIS2"),
    "material": ("投資家にとって重要である", "it is material to investors"),
    "california_people": ("カリフォルニア州の住民の数", "number of residents of California"),
    "contract_hours": ("契約が定める通知の時間数", "hours that the contract gives for the notice"),
    "designated_operator": ("指定された電気通信事業者", "we are a designated operator"),
    "special_infrastructure_operator": ("特別社会基盤事業者", "we are a designated infrastructure operator"),
    "privacymark_holder": ("プライバシーマークの付与事業者", "we hold the PrivacyMark"),
    "card_merchant": ("カード加盟店", "we take cards as a merchant"),
    "outside_gdpr": ("EUのGDPRの適用外", "the GDPR of the EU does not apply to us"),
    "eu_establishment": ("EU域内に主たる拠点がある", "we have a main establishment in the EU"),
    "outside_uk_gdpr": ("英国GDPRの適用外", "the UK GDPR does not apply to us"),
    "nis2_entity": ("NIS2の対象事業者", "we are an entity under NIS2"),
    "california_business": ("カリフォルニア州法の対象", "the law of California applies to us"),
    "hipaa_entity": ("HIPAAの対象事業者", "we are an entity under HIPAA"),
    "sec_registrant": ("SECへの報告会社", "we report to the SEC"),
}
"""Every fact that a condition may ask for, with its name in both languages."""

NUMBERS = frozenset({"people", "my_number_people", "california_people", "contract_hours"})
"""Facts that are whole numbers."""

WORDS: Mapping[str, frozenset[str] | None] = {
    "rings": frozenset(Certainty),
    "categories": None,
    "items": None,
    "flags": frozenset(ItemFlag),
    "relations": frozenset(Relation),
    "jurisdictions": None,
    "our_roles": frozenset(OurRole),
    "business_lines": frozenset(BusinessLine),
    "harms": frozenset(Harm),
}
"""Facts that are sets of words, with the words there are; None: codes of the company. The others are yes or no."""

DESIGNATIONS = (
    "designated_operator",
    "special_infrastructure_operator",
    "privacymark_holder",
    "card_merchant",
    "outside_gdpr",
    "eu_establishment",
    "outside_uk_gdpr",
    "nis2_entity",
    "california_business",
    "hipaa_entity",
    "sec_registrant",
)
"""What the company is, whatever happened: said in its policy, no until it says so."""

ASKED_DESIGNATIONS = frozenset({"privacymark_holder", "card_merchant"})
"""What many a company is: while its policy states no designations at all, these are open, never a silent no."""

DECIDABLE = (
    "improper_purpose",
    "communications_secrecy",
    "payable_combination",
    "encryption_exempt",
    "entrusting_party_told",
    "high_risk_to_people",
    "no_risk_to_people",
    "visible_to_the_public",
    "important_computer_attacked",
    "significant_incident",
    "material",
    *DESIGNATIONS,
)
"""Facts that a person may decide; what a person decided goes before what the program would say."""
