"""The preview of a scope on its page: nothing is stored until it is sent again without it."""

import flask
import pytest

from incident_app.domain.vocabulary import Certainty
from incident_app.services import scopes
from incident_app.web.words import phrase
from tests import builders
from tests.web.browsing import post, signed_in


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_preview_shows_the_effect_and_can_be_set_as_it_is(app: flask.Flask, language: str) -> None:
    instance = app.extensions["incident_app"].engine
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db", certainty=Certainty.ASSUMED))
    client = signed_in(app)
    client.get(f"/language/{language}")
    page, address = f"/incidents/{view.reference}/scope", f"/incidents/{view.reference}/scope/store"
    fields = {"store": "billing-db", "certainty": "confirmed", "harms": ["confidentiality"]}
    answer = post(client, page, address, preview="1", **fields)
    assert answer.status_code == 200
    text = answer.get_data(as_text=True)
    assert phrase("preview.nothing_stored", language) in text
    assert phrase("impact.difference", language, older=1, added="0", removed="0", changed="1") in text
    assert phrase("flag.card_number", language) in text
    assert '<input type="hidden" name="store" value="billing-db">' in text
    assert 'name="preview"' not in text
    assert scopes.find_newest_scope(instance, view.id)[0] == 1
    assert post(client, page, address, **fields).status_code == 302
    assert scopes.find_newest_scope(instance, view.id)[0] == 2


def test_a_preview_of_what_cannot_be_set_is_refused_at_its_form(app: flask.Flask) -> None:
    instance = app.extensions["incident_app"].engine
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    page = f"/incidents/{view.reference}/scope"
    answer = post(signed_in(app), page, f"{page}/store", preview="1", store="billing-db", certainty="ruled_out")
    assert answer.status_code == 422
