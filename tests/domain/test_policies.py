"""The policy as shipped says everything the product acts on; a faulty one is told exactly what is wrong."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_app.domain.errors import FaultyFile
from incident_app.domain.policies import read_policy, stores_of_parties
from incident_app.domain.responses import read_response
from incident_app.domain.vocabulary import Cause, ItemFlag, OurRole, PartyRole, Relation
from tests.builders import ROOT, playbook_files

TEXT = (ROOT / "playbooks/policies/gpu-cloud-bygmo.toml").read_text(encoding="utf-8")
INVENTORY = (ROOT / "playbooks/inventories/gpu-cloud-example.toml").read_text(encoding="utf-8")
POLICY = read_policy(TEXT, file="policy")

TABLE = {
    "attributes": "組織名 氏名 住所 電話番号 FAX番号 携帯電話番号 勤務先 メールアドレス 回線契約の内容",
    "contract": "お客様番号 契約の種類 入会申込日 契約日 利用日 商品名 契約額 利用額 管理者アカウント パスワード",
    "transactions": "毎月の支払額 支払方法 口座番号 口座名義 カード番号 カード名義",
    "usage": "利用残高 取引の状況 取引の履歴 その他の取引内容",
    "identity": "運転免許証の写し パスポートの写し 住民票の写し 印鑑登録証明書 外国人登録の記載事項証明",
}


def test_the_five_categories_hold_every_single_item_of_the_published_table() -> None:
    found = {category: [item.name_ja for item in POLICY.items if item.category == category] for category in TABLE}
    assert found == {category: names.split(" ") for category, names in TABLE.items()}


def test_each_recipient_received_exactly_the_categories_that_the_policy_says() -> None:
    categories = {item.code: item.category for item in POLICY.items}
    received = {disclosure.party: {categories[code] for code in disclosure.items} for disclosure in POLICY.disclosures}
    assert received == {
        "payment-gateway": {"transactions"},
        "receivables-firm": {"attributes", "transactions"},
        "debt-collector": {"attributes", "contract", "transactions", "usage"},
        "mailing-house": {"attributes", "contract", "transactions", "usage", "identity"},
    }
    stores = {store.operator: {item.item for item in store.items} for store in stores_of_parties(POLICY)}
    assert stores == {disclosure.party: set(disclosure.items) for disclosure in POLICY.disclosures}


def test_meaning_sits_on_the_items() -> None:
    flags = {item.code: item.flags for item in POLICY.items}
    assert ItemFlag.CREDENTIAL in flags["password"]
    assert flags["card-number"] >= {ItemFlag.CARD_NUMBER, ItemFlag.PAYABLE}
    assert ItemFlag.BANK_ACCOUNT in flags["bank-account-number"]
    assert ItemFlag.GOVERNMENT_ID_COPY in flags["passport-copy"]
    assert ItemFlag.ONLINE_IDENTIFIER in flags["cookie-id"]
    assert ItemFlag.ONLINE_IDENTIFIER in flags["personal-url-key"]
    assert ItemFlag.COMMUNICATIONS_SECRECY in flags["ip-address"]


def test_the_policy_names_its_people_promises_desks_procedures_and_purposes() -> None:
    assert set(POLICY.people) == set(Relation)
    parts = [part.part for part in POLICY.commitments if part.clause == "leak-response"]
    assert parts == ["the_facts", "promptly", "to_the_people", "quick_and_proper"]
    assert len(POLICY.purposes) == 18
    assert {procedure.fee_jpy for procedure in POLICY.procedures} == {0, 5400, None}
    assert POLICY.desk_for(Relation.SHAREHOLDER).code == "shareholders"
    assert POLICY.joint_use[0].open_ended
    clauses = {part.clause for part in POLICY.commitments}
    assert clauses >= {"complaints", "requests", "retention", "staff", "entrusted-firms", "improvement"}
    assert "secrecy-of-communications" in clauses
    assert all(item.section for item in POLICY.items)
    assert any("old number" in warning for warning in POLICY.warnings)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('category = "contract"', 'category = "contrakt"', "category 'contrakt' is not defined"),
        ('flags = ["contact"]', 'flags = ["kontact"]', "'kontact' is not one of special_care"),
        ('code = "fax"', 'code = "phone"', "'phone' stands twice"),
        ('country = "JP"\nis_ourselves', "is_ourselves", "is missing"),
        ('party = "mailing-house"', 'party = "post-office"', "party 'post-office' is not defined"),
        ("is_ourselves = true", "is_ourselves = false", "exactly one party"),
        ("for_every_leak = true", "", "the promise for leaks is missing"),
        ('measured_by = "by_hand"', 'measured_by = "by_heart"', "'by_heart' is not one of"),
        ("fee_jpy = 5400", 'fee_jpy = "5400"', "must be a whole number"),
        ('code = "fax"', 'code = "fax"\ncolour = "red"', "colour"),
        ("[policy]", "[policy", "not readable as TOML"),
        ('relation = "staff"', 'relation = "customer"', "people[3].relation"),
        ('code = "shareholders"', 'code = "inquiries"', "'inquiries' stands twice"),
        ('part = "promptly"', 'part = "the_facts"', "'leak-response / the_facts' stands twice"),
        ('part = "promptly"', "", "commitments[1].part"),
        ('basis = "published"', 'basis = "hearsay"', "'hearsay' is not one of published, actual"),
        ('responsible = "ourselves"', 'responsible = "authorities"', "the responsible party must be a member"),
        ('cause = "staff"', 'cause = "stuff"', "'stuff' is not one of"),
        ("internal_target_hours = 72", "internal_target_hours = 0", "must be at least 1"),
        ("fee_jpy = 5400", "fee_jpy = -5400", "must be at least 0"),
        ('country = "JP"', 'country = "Japan"', "two capital letters"),
        ('name_ja = "お客様"', "name_ja = 7", "people[0].name_ja"),
    ],
)
def test_each_fault_is_named_with_key_and_reason(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    broken = TEXT.replace(old, new) if "for_every" in old else TEXT.replace(old, new, 1)
    with pytest.raises(FaultyFile) as refusal:
        read_policy(broken, file="mine.toml")
    assert fault in str(refusal.value)
    assert "mine.toml" in str(refusal.value)


def test_a_fault_names_its_line() -> None:
    line = 1 + TEXT.splitlines().index('code = "fax"') + 1
    broken = TEXT.replace('code = "fax"\ncategory = "attributes"', 'code = "fax"\ncategory = "nothing"')
    with pytest.raises(FaultyFile, match=rf"items\[4\]\.category \(line {line}\)"):
        read_policy(broken, file="mine.toml")


def test_every_fault_is_listed_at_once() -> None:
    broken = TEXT.replace('country = "JP"', 'country = "Japan"')
    with pytest.raises(FaultyFile) as refusal:
        read_policy(broken, file="mine.toml")
    assert len(refusal.value.fault_list) == len(POLICY.parties)


REQUIRED = {
    "policy": "code version name_ja name_en",
    "people": "relation name_ja name_en",
    "categories": "code name_ja name_en",
    "items": "code category name_ja name_en",
    "purposes": "code text_ja text_en",
    "parties": "code name_ja name_en country",
    "disclosures": "party purpose_ja purpose_en",
    "joint_use": "code name_ja name_en purpose_ja purpose_en members responsible items",
    "commitments": "clause part promise_ja promise_en measurable_end_ja measurable_end_en measured_by",
    "desks": "code name_ja name_en hours_ja hours_en",
    "procedures": "code name_ja name_en documents_ja documents_en sent_by_ja sent_by_en",
    "rules": "code text_ja text_en",
    "not_a_leak": "code text_ja text_en",
}


def required_lines() -> Iterator[tuple[int, str]]:
    """Yield the position and the path of every line that holds a required key."""
    seen: dict[str, int] = {}
    table, path = "", ""
    for position, line in enumerate(TEXT.split("\n")):
        if header := re.match(r"(\[+)(\w+)\]", line):
            table = header[2]
            seen[table] = seen.get(table, -1) + 1
            path = f"{table}[{seen[table]}]" if header[1] == "[[" else table
        elif (key := line.partition(" = ")[0]) in REQUIRED.get(table, "").split():
            yield position, f"{path}.{key}"


LINES = list(required_lines())


@given(st.sampled_from(LINES))
def test_a_required_key_that_is_missing_is_named(removed: tuple[int, str]) -> None:
    position, path = removed
    lines = TEXT.split("\n")
    with pytest.raises(FaultyFile) as refusal:
        read_policy("\n".join([*lines[:position], *lines[position + 1 :]]), file="mine.toml")
    assert any(re.match(rf"{re.escape(path)}( |:).*is missing", fault) for fault in refusal.value.fault_list)


def test_every_table_of_the_policy_is_tried_without_its_required_keys() -> None:
    assert {path.partition(".")[0].partition("[")[0] for _, path in LINES} == set(REQUIRED)


def test_every_procedure_says_where_requests_are_sent_and_how_they_are_not_taken() -> None:
    for procedure in POLICY.procedures:
        assert procedure.send_to is not None
        assert "150-8512" in procedure.send_to.ja
        assert procedure.not_by is not None
    alone = re.sub(r"(?m)^(send_to_en|not_by_ja) = .*\n", "", TEXT)
    with pytest.raises(FaultyFile, match=r"send_to_en.*both languages") as refusal:
        read_policy(alone, file="mine.toml")
    assert "not_by_ja" in str(refusal.value)


def test_what_shows_a_promise_by_hand_is_checked() -> None:
    by_code = {(part.clause, part.part): part for part in POLICY.commitments}
    assert by_code["improvement", "continuous"].steps == ("review",)
    assert by_code["secrecy-of-communications", "compliance"].decided_fact == "communications_secrecy"
    shipped = {
        step.code
        for path in playbook_files("responses")
        for step in read_response(path.read_text(encoding="utf-8"), file=path.name).steps
    }
    assert {code for part in POLICY.commitments for code in part.steps} <= shipped
    unknown = TEXT.replace('decided_fact = "communications_secrecy"', 'decided_fact = "the_weather"')
    with pytest.raises(FaultyFile, match="'the_weather' is not one of"):
        read_policy(unknown, file="mine.toml")
    computed = TEXT.replace('measured_by = "steps_finished"', 'measured_by = "steps_finished"\nsteps = ["review"]')
    with pytest.raises(FaultyFile, match="counts only where measured_by is by_hand"):
        read_policy(computed, file="mine.toml")


def test_a_circle_of_categories_is_refused() -> None:
    broken = TEXT.replace('code = "attributes"\n', 'code = "attributes"\nparent = "contract"\n', 1)
    assert read_policy(broken, file="mine.toml").categories[0].parent == "contract"
    broken = broken.replace('code = "contract"\n', 'code = "contract"\nparent = "attributes"\n', 1)
    with pytest.raises(FaultyFile, match="category 'attributes' lies below itself"):
        read_policy(broken, file="mine.toml")


def test_a_transfer_list_beats_the_published_policy_and_leaves_one_store_per_party() -> None:
    actual = """
[[disclosures]]
party = "debt-collector"
items = ["name", "balance"]
role = "processor"
basis = "actual"
purpose_ja = "債権の回収"
purpose_en = "collection"
"""
    stores = {store.operator: store for store in stores_of_parties(read_policy(TEXT + actual, file="mine.toml"))}
    assert len(stores) == 4
    assert {item.item for item in stores["debt-collector"].items} == {"name", "balance"}
    assert stores["debt-collector"].our_role is OurRole.OWN_CONTROLLER
    assert stores["mailing-house"].our_role is OurRole.UNDECIDED
    assert all(disclosure.role is PartyRole.UNDECIDED for disclosure in POLICY.disclosures)


def test_two_disclosures_to_one_party_make_one_store_with_the_items_of_both() -> None:
    more = """
[[disclosures]]
party = "payment-gateway"
items = ["email"]
purpose_ja = "連絡"
purpose_en = "contact"
"""
    stores = stores_of_parties(read_policy(TEXT + more, file="mine.toml"))
    codes = [store.code for store in stores]
    assert len(codes) == len(set(codes)) == 4
    (gateway,) = (store for store in stores if store.operator == "payment-gateway")
    assert {item.item for item in gateway.items} >= {"card-number", "email"}


def test_joint_use_names_the_whole_published_category_of_contract_data() -> None:
    contract = {item.code for item in POLICY.items if item.category == "contract"}
    assert set(POLICY.joint_use[0].items) == contract | {"name", "address", "email", "phone"}


def test_the_rules_name_the_causes_that_they_speak_of() -> None:
    causes = {rule.cause for rule in POLICY.rules} - {None}
    assert causes == {Cause.STAFF, Cause.AT_PROCESSOR, Cause.OUTSIDE_PURPOSE, Cause.IMPROPER_ACQUISITION}


def test_another_company_brings_its_own_file() -> None:
    other = """
[policy]
code = "bakery"
version = "3"
name_ja = "個人情報の方針"
name_en = "Policy"
business_line = "other"
[[people]]
relation = "customer"
name_ja = "お客様"
name_en = "customers"
[[categories]]
code = "orders"
name_ja = "注文"
name_en = "orders"
[[items]]
code = "name"
category = "orders"
name_ja = "氏名"
name_en = "name"
[[parties]]
code = "bakery"
name_ja = "試験ベーカリー"
name_en = "Test Bakery"
country = "JP"
is_ourselves = true
[[commitments]]
clause = "leak"
part = "to_the_people"
promise_ja = "お知らせします"
promise_en = "tell them"
measurable_end_ja = "全員に知らせた"
measurable_end_en = "everybody was told"
measured_by = "every_person_informed"
for_every_leak = true
[[desks]]
code = "shop"
name_ja = "店舗"
name_en = "shop"
hours_ja = "営業時間"
hours_en = "shop hours"
"""
    policy = read_policy(other, file="bakery.toml")
    assert policy.ourselves.name_en == "Test Bakery"
    assert stores_of_parties(policy) == ()
    assert policy.digest != POLICY.digest
    assert policy.digest == read_policy(other + "# a comment changes nothing\n", file="x").digest


def test_every_key_of_the_playbooks_is_documented() -> None:
    documented = (ROOT / "playbooks/README.md").read_text(encoding="utf-8")
    keys = set()
    for path in (ROOT / "playbooks").glob("*/*.toml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, equals, _ = line.strip().partition(" = ")
            if equals and not name.startswith("#"):
                keys.add(name)
    assert [key for key in sorted(keys) if f"`{key}`" not in documented] == []


@pytest.mark.parametrize("header", ["", *(f"[[{table}]]" for table in REQUIRED if table != "policy"), "[policy]"])
def test_every_key_that_the_policy_reader_accepts_is_documented(header: str) -> None:
    broken = TEXT.replace(header, f"{header}\nzzz = 1\n", 1)
    with pytest.raises(FaultyFile) as refusal:
        read_policy(broken, file="mine.toml")
    accepted = re.search(r"zzz.*: unknown key; known here: ([^|]*)", str(refusal.value))
    assert accepted is not None
    documented = (ROOT / "playbooks/README.md").read_text(encoding="utf-8").split("## Inventories")[0]
    keys = accepted[1].strip().split(", ")
    assert [key for key in keys if f"`{key}`" not in documented and f"[{key}]" not in documented] == []
