"""The impact pages: counts that add up, rings and items apart, people page by page."""

import re

import flask

from incident_app.domain.vocabulary import Certainty
from incident_app.web.words import phrase
from tests import builders
from tests.web.browsing import signed_in


def a_mixed_impact(app: flask.Flask) -> str:
    """C1's card is confirmed by a list, the member data of everybody is only possible."""
    instance = app.extensions["incident_app"].engine
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    sure = builders.a_list(instance, view.id, "customer_number,items\nC1,card-number\n")
    builders.determined(instance, view.id, builders.a_scope("member-db", certainty=Certainty.ASSUMED, lists=[sure]))
    return f"/incidents/{view.reference}/impact"


def test_breakdowns_add_up_and_say_so(app: flask.Flask) -> None:
    page = signed_in(app).get(a_mixed_impact(app)).get_data(as_text=True)
    assert page.count("✓</td>") == 3  # persons and organisations, relation, country
    assert "≠" not in page


def test_what_is_confirmed_stands_before_what_is_possible(app: flask.Flask) -> None:
    base = a_mixed_impact(app)
    page = signed_in(app).get(f"{base}/person?number=C1").get_data(as_text=True)
    shown = re.search(r"● (.+?) ・ ◐ (.+?)</p>", page)
    assert shown is not None
    assert shown[1] == "カード番号"
    assert "パスワード" in shown[2]
    assert "カード番号" not in shown[2]


def test_a_person_is_told_from_which_list_they_are_known_and_what_lay_protected(app: flask.Flask) -> None:
    """Two lists read the same in the reasons; and a hashed password is not an open one (B4, B10)."""
    base = a_mixed_impact(app)
    client = signed_in(app)
    page = client.get(f"{base}/person?number=C1").get_data(as_text=True)
    assert phrase("impact.named_by", "ja", number=1, source="test") in page
    assert "パスワード (ハッシュ化)" in page
    other = client.get(f"{base}/person?number=C2").get_data(as_text=True)
    assert "出どころ" not in other
    assert phrase("impact.protected_items", "ja") not in other


def test_the_list_keeps_to_a_ring_and_an_item_and_its_links_keep_the_choice(app: flask.Flask) -> None:
    base, client = a_mixed_impact(app), signed_in(app)
    whole = client.get(f"{base}/people").get_data(as_text=True)
    assert all(f">C{number}<" in whole for number in range(1, 6))
    sure = client.get(f"{base}/people?certainty=confirmed&item=card-number&version=1").get_data(as_text=True)
    assert ">C1<" in sure
    assert ">C2<" not in sure
    assert 'value="confirmed" selected' in sure
    assert "certainty=confirmed" in re.findall(r'href="([^"]+)">' + phrase("impact.first_page", "ja"), sure)[0]
    nobody = client.get(f"{base}/people?certainty=ruled_out").get_data(as_text=True)
    assert phrase("impact.no_more", "ja") in nobody
    assert client.get(f"{base}/people?certainty=nonsense").status_code == 200
    assert client.get(f"{base}/people?after=NOBODY").status_code == 404


def test_before_a_determination_the_list_says_what_to_do(app: flask.Flask) -> None:
    instance = app.extensions["incident_app"].engine
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    answer = signed_in(app).get(f"/incidents/{view.reference}/impact/people")
    assert answer.status_code == 200
    assert phrase("impact.none", "ja") in answer.get_data(as_text=True)


def test_companies_that_have_affected_items_stand_on_the_page_in_both_languages(app: flask.Flask) -> None:
    base, client = a_mixed_impact(app), signed_in(app)
    page = client.get(base).get_data(as_text=True)
    section = page[page.index(phrase("impact.parties", "ja")) :]
    for words in (phrase("party_role.recipient", "ja"), phrase("basis.published", "ja"), "公表したポリシーによれば"):
        assert words in section
    client.get("/language/en")
    page = client.get(base).get_data(as_text=True)
    assert "By the published policy it received affected items" in page
