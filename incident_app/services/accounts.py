"""Accounts: adding people, granting roles, signing in, and asking whether somebody may do something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.access import Membership, Permission, Role, permissions_of
from incident_app.domain.errors import BadInput, Forbidden, IncidentAppError, NotFound
from incident_app.domain.events import MemberAdded, RoleGranted, UserAdded
from incident_app.domain.ids import Actor, IncidentId, UserId
from incident_app.domain.lengths import ADDRESS, check_length
from incident_app.persistence.accounts import IncidentMember, RoleGrant, User
from incident_app.services.transaction import Transaction, reading, recording, transaction

SYSTEM = Actor("system:command-line")
FAILURES_BEFORE_LOCK = 5
LOCKED_FOR = timedelta(minutes=15)
SHORTEST_PASSWORD = 12


class SignInRefused(IncidentAppError):
    """The e-mail address or the password is not right, or the account is locked for a while."""

    ja = "メールアドレスまたはパスワードが正しくないか、アカウントが一時的に停止されています。"


class PersonNeeded(IncidentAppError):
    """A person must do this; a timer or the command line without --as cannot."""

    ja = "この操作は人が行う必要があります。担当者を指定してください（--as）。"


class NotAMember(IncidentAppError):
    """There is no such incident."""

    ja = "その事案はありません。"


@dataclass(frozen=True, kw_only=True)
class Account:
    """One person who works with the program."""

    id: UserId
    email: str
    name: str
    language: str
    roles: frozenset[Role]
    sessions_valid_from: datetime
    """Changes when the account signs out; a session begun before is over."""

    @property
    def actor(self) -> Actor:
        """Return how this person appears in events."""
        return Actor(f"user:{self.id}")

    @property
    def permissions(self) -> frozenset[Permission]:
        """Return everything this person may do."""
        return permissions_of(self.roles)


def user_of(actor: Actor) -> UserId:
    """Return the account behind an actor; PersonNeeded for timers."""
    kind, _, number = actor.partition(":")
    if kind != "user":
        raise PersonNeeded
    return UserId(int(number))


def add_user(
    engine: Engine,
    *,
    email: str,
    name: str,
    password: str,
    roles: frozenset[Role],
    language: str = "ja",
    actor: Actor,
    now: datetime,
    hasher: PasswordHasher | None = None,
) -> UserId:
    """Add an account with its first roles. The password is hashed before the transaction opens."""
    if len(password) < SHORTEST_PASSWORD:
        raise BadInput(field="password", problem=f"at least {SHORTEST_PASSWORD} characters are needed")
    if "@" not in email:
        raise BadInput(field="email", problem="this is not an e-mail address")
    check_length(email, field="email", longest=ADDRESS)
    check_length(name, field="name")
    password_hash = (hasher or PasswordHasher()).hash(password)
    with transaction(engine, actor=actor, now=now) as act:
        if act.session.scalar(sa.select(User.id).where(User.email == email.lower())):
            raise BadInput(field="email", problem="an account with this address exists")
        user = User(
            email=email.lower(),
            name=name,
            password_hash=password_hash,
            language=language,
            active=True,
            sessions_valid_from=now,
        )
        act.session.add(user)
        act.session.flush()
        act.record(UserAdded(user_id=user.id))
        for role in sorted(roles):
            _grant(act, user.id, role, actor)
        return UserId(user.id)


def grant_role(engine: Engine, user_id: UserId, role: Role, *, actor: Actor, now: datetime) -> None:
    """Give an account one more role. Nobody grants to themselves: the database refuses it."""
    if actor == f"user:{user_id}":
        raise BadInput(field="role", problem="nobody grants a role to themselves")
    with transaction(engine, actor=actor, now=now) as act:
        _grant(act, user_id, role, actor)


def _grant(act: Transaction, user_id: int, role: Role, actor: Actor) -> None:
    granted_by = user_of(actor) if actor.startswith("user:") else None
    act.session.add(RoleGrant(user_id=user_id, role=role, granted_by=granted_by, granted_at=act.now))
    act.record(RoleGranted(user_id=user_id, role=role))


def sign_in(
    engine: Engine, *, email: str, password: str, now: datetime, hasher: PasswordHasher | None = None
) -> Account:
    """Check a password. Five failures lock the account for 15 minutes; the refusal never says which part was wrong.

    A try is counted before its password is checked, so that guesses made at once get no more tries than five.
    """
    verifier = hasher or PasswordHasher()
    user = _count_try(engine, email, now)
    right = _password_is_right(verifier, user.password_hash if user else _nobodys_hash(verifier), password)
    if user is None or not right:
        raise SignInRefused
    with recording(engine) as session:
        session.execute(sa.update(User).where(User.id == user.id).values(failed_logins=0, locked_until=None))
    return get_account(engine, UserId(user.id))


def _count_try(engine: Engine, email: str, now: datetime) -> sa.Row[int, str] | None:
    """Count one more try and return the account's number and hash; None when there is none or it is locked."""
    is_last = User.failed_logins + 1 >= FAILURES_BEFORE_LOCK
    count = (
        sa.update(User)
        .where(User.email == email.strip().lower(), User.active)
        .where(sa.or_(User.locked_until.is_(None), User.locked_until <= now))
        .values(
            failed_logins=sa.case((is_last, 0), else_=User.failed_logins + 1),
            locked_until=sa.case((is_last, now + LOCKED_FOR), else_=None),
        )
        .returning(User.id, User.password_hash)
    )
    with recording(engine) as session:
        return session.execute(count).one_or_none()


def sign_out(engine: Engine, user_id: UserId, *, now: datetime) -> None:
    """End every session of an account: a cookie that was copied before opens nothing afterwards."""
    with recording(engine) as session:
        before = session.scalar(sa.select(User.sessions_valid_from).where(User.id == user_id))
        if before is not None:
            later = max(now, before + timedelta(microseconds=1))  # a clock that stands still or goes back ends it too
            session.execute(sa.update(User).where(User.id == user_id).values(sessions_valid_from=later))


@lru_cache(maxsize=4)
def _nobodys_hash(hasher: PasswordHasher) -> str:
    """Return a hash to check against when there is no such account, so that the answer takes as long."""
    return hasher.hash("nobody")


def _password_is_right(verifier: PasswordHasher, password_hash: str, password: str) -> bool:
    try:
        return verifier.verify(password_hash, password)
    except VerificationError:
        return False


def find_account(engine: Engine, user_id: UserId) -> Account | None:
    """Return an active account, or None."""
    with reading(engine) as session:
        user = session.scalars(sa.select(User).where(User.id == user_id, User.active)).one_or_none()
        return _account(session, user) if user else None


def get_account(engine: Engine, user_id: UserId) -> Account:
    """Return an active account; NotFound otherwise."""
    account = find_account(engine, user_id)
    if account is None:
        raise NotFound(what="account", name=user_id)
    return account


def get_account_by_email(engine: Engine, email: str) -> Account:
    """Return an active account by its address; NotFound otherwise."""
    with reading(engine) as session:
        user = session.scalars(sa.select(User).where(User.email == email.strip().lower(), User.active)).one_or_none()
        if user is None:
            raise NotFound(what="account", name="--as")
        return _account(session, user)


def list_accounts(engine: Engine) -> list[Account]:
    """Return every active account, oldest first."""
    with reading(engine) as session:
        return [
            _account(session, user) for user in session.scalars(sa.select(User).where(User.active).order_by(User.id))
        ]


def names_by_actor(engine: Engine) -> dict[str, str]:
    """Return the display name of each actor."""
    with reading(engine) as session:
        return {f"user:{user_id}": name for user_id, name in session.execute(sa.select(User.id, User.name))}


def require(account: Account, permission: Permission) -> None:
    """Refuse with Forbidden unless the account has the permission."""
    if permission not in account.permissions:
        raise Forbidden(permission=permission)


def require_membership(session: Session, incident_id: IncidentId, account: Account) -> None:
    """Refuse as if the incident did not exist unless the account belongs to it (need to know, H2)."""
    live = sa.select(IncidentMember.id).where(
        IncidentMember.incident_id == incident_id,
        IncidentMember.user_id == account.id,
        IncidentMember.removed_at.is_(None),
    )
    if session.scalar(live) is None:
        raise NotAMember


def add_member(
    engine: Engine, incident_id: IncidentId, user_id: UserId, *, role: str, actor: Actor, now: datetime
) -> None:
    """Let one more person see an incident. Adding somebody twice changes nothing."""
    if role not in set(Membership):
        raise BadInput(field="role", problem="choose lead, member, approver or observer")
    with reading(engine) as session:
        live = sa.select(IncidentMember.id).where(
            IncidentMember.incident_id == incident_id,
            IncidentMember.user_id == user_id,
            IncidentMember.removed_at.is_(None),
        )
        if session.scalar(live) is not None:
            return
    with transaction(engine, actor=actor, now=now) as act:
        join_incident(act, incident_id, user_id, role)


def join_incident(act: Transaction, incident_id: IncidentId, user_id: UserId, role: str) -> None:
    """Record membership inside a larger act."""
    act.session.add(IncidentMember(incident_id=incident_id, user_id=user_id, role=role, added_at=act.now))
    act.record(MemberAdded(user_id=user_id, role=role), incident=incident_id)


def _account(session: Session, user: User) -> Account:
    roles = session.scalars(
        sa.select(RoleGrant.role).where(RoleGrant.user_id == user.id, RoleGrant.revoked_at.is_(None))
    )
    return Account(
        id=UserId(user.id),
        email=user.email,
        name=user.name,
        language=user.language,
        roles=frozenset(roles),
        sessions_valid_from=user.sessions_valid_from,
    )
