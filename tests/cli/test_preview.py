"""Previews at the command line: the effect of a scope, while nothing is stored."""

import json

from sqlalchemy.engine import Engine

from incident_app.domain.vocabulary import Certainty
from incident_app.services import impact_views, scopes
from incident_app.services.timeline import chain_head
from tests import builders
from tests.cli.conftest import Run

AUTHOR = ("--as", "author@example.jp")


def test_a_preview_says_what_a_change_would_do_and_stores_nothing(run: Run, instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db", certainty=Certainty.ASSUMED))
    before = chain_head(instance)
    added = run(
        "scope", "add-store", view.reference, "billing-db", "--certainty", "confirmed", "--preview", "--json", *AUTHOR
    )
    found = json.loads(added.stdout)["preview"]
    assert found["compared_with"] == 1
    assert (found["added"], found["removed"], found["changed"]) == (0, 0, 1)  # C1 was affected before, without a card
    assert found["summary"]["by_flag"]["card_number"] == 1
    party = run("scope", "add-party", view.reference, "mailing-house", "--preview", *AUTHOR).stdout
    assert "at-mailing-house: no list from them yet, so this is a maximum" in party
    gone = run(
        "scope", "remove-store", view.reference, "member-db", "--reason", "x", "--preview", *AUTHOR, code=1
    ).stderr
    assert "name at least one store" in gone
    assert chain_head(instance) == before
    assert scopes.find_newest_scope(instance, view.id)[0] == 1


def test_previewing_the_newest_scope_names_the_duties_that_would_change(run: Run, instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    assert run("impact", "preview", view.reference, *AUTHOR, code=1).stderr
    scopes.set_scope(
        instance, view.id, builders.a_scope("member-db"), actor=builders.author(instance).actor, now=builders.NOW
    )
    text = run("impact", "preview", view.reference, *AUTHOR).stdout
    assert "Preview, nothing is stored." in text
    assert "people: 5 confirmed" in text
    assert "new duty: " in text
    assert "supervisory authority" in text  # one of them lives in Germany
    assert impact_views.get_impact(instance, view.id) is None
    run("impact", "determine", view.reference, *AUTHOR)
    again = json.loads(run("impact", "preview", view.reference, "--json", *AUTHOR).stdout)["preview"]
    assert again["duties"] == {"added": [], "changed": [], "removed": []}
    assert (again["added"], again["removed"], again["changed"]) == (0, 0, 0)
