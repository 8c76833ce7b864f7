"""Accounts: lock-out, roles, and standings that nobody sets by hand."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
from argon2 import PasswordHasher
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


class CountingHasher(PasswordHasher):
    """Counts how many passwords of the account were tried; slow enough for all guesses to be under way at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.tried: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        if hash != accounts._nobodys_hash(self):
            time.sleep(0.05)
            self.tried.append(str(password))
        return super().verify(hash, password)


def test_guesses_made_at_once_get_no_more_tries_than_the_lock_allows(instance: Engine) -> None:
    hasher, start = CountingHasher(), Barrier(16)
    accounts._nobodys_hash(hasher)

    def guess(number: int) -> None:
        start.wait()
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(instance, email="author@example.jp", password=f"guess {number}", now=NOW, hasher=hasher)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(guess, range(16)))
    assert len(hasher.tried) == accounts.FAILURES_BEFORE_LOCK
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(instance, email="author@example.jp", password=builders.PASSWORD, now=NOW, hasher=hasher)


def test_the_right_password_before_the_lock_forgets_the_wrong_ones(instance: Engine) -> None:
    def attempt(password: str) -> accounts.Account:
        return accounts.sign_in(instance, email="author@example.jp", password=password, now=NOW, hasher=builders.CHEAP)

    for _ in range(3):
        for _ in range(4):
            with pytest.raises(accounts.SignInRefused):
                attempt("wrong")
        assert attempt(builders.PASSWORD).email == "author@example.jp"


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
