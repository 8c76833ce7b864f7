"""Accounts: lock-out, roles, and standings that nobody sets by hand."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from incident_app.domain.errors import BadInput
from incident_app.services import accounts, people
from tests import builders
from tests.builders import NOW, author


def test_five_wrong_passwords_lock_the_account_for_a_while(instance: Engine) -> None:
    def attempt(password: str, at: datetime) -> accounts.Account:
        return accounts.sign_in(instance, email="author@example.jp", password=password, now=at, hasher=builders.CHEAP)

    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            attempt("wrong", NOW)
    with pytest.raises(accounts.SignInRefused):
        attempt(builders.PASSWORD, NOW + timedelta(minutes=1))
    assert attempt(builders.PASSWORD, NOW + timedelta(minutes=16)).email == "author@example.jp"


def test_nobody_grants_a_role_to_themselves(instance: Engine) -> None:
    account = author(instance)
    with pytest.raises(BadInput, match="themselves"):
        accounts.grant_role(instance, account.id, accounts.Role.APPROVER, actor=account.actor, now=NOW)


def test_people_are_never_marked_informed_by_hand(instance: Engine) -> None:
    builders.with_customers(instance)
    view = builders.an_incident(instance)
    builders.determined(instance, view.id, builders.a_scope("member-db"))
    with pytest.raises(BadInput, match="delivered mail"):
        people.record_told(
            instance,
            view.id,
            ["C1"],
            standing=people.Standing.INFORMED,
            how="mail",
            reason="x",
            actor=author(instance).actor,
            now=NOW,
        )
