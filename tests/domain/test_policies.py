"""The policy as shipped says everything the product acts on; a faulty one is told exactly what is wrong."""

import pytest

from incident_app.domain.errors import FaultyFile
from incident_app.domain.inventories import read_inventory
from incident_app.domain.policies import read_policy, stores_of_parties
from incident_app.domain.vocabulary import ItemFlag, Protection, Relation
from tests.builders import ROOT

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
    assert {procedure.fee_jpy for procedure in POLICY.procedures} == {0, 5400}
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


def test_the_example_inventory_fits_the_policy_and_shows_protection() -> None:
    stores = {store.code: store for store in read_inventory(INVENTORY, file="inventory", policy=POLICY)}
    backup = stores["member-backup"]
    assert {item.protection for item in backup.items} == {Protection.ENCRYPTED_KEY_ELSEWHERE}
    with pytest.raises(FaultyFile, match="item 'nickname' is not defined in the policy"):
        read_inventory(INVENTORY.replace('item = "name"', 'item = "nickname"', 1), file="mine.toml", policy=POLICY)


def test_every_key_of_the_playbooks_is_documented() -> None:
    documented = (ROOT / "playbooks/README.md").read_text(encoding="utf-8")
    keys = set()
    for path in (ROOT / "playbooks").glob("*/*.toml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            name, equals, _ = line.strip().partition(" = ")
            if equals and not name.startswith("#"):
                keys.add(name)
    assert [key for key in sorted(keys) if f"`{key}`" not in documented] == []
