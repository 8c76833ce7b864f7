"""`incident-app user`: accounts and roles."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command
from incident_app.domain.access import Permission, Role
from incident_app.services import accounts


@click.group()
def user() -> None:
    """Add and list accounts."""


@user.command()
@click.argument("email")
@click.option("--name", required=True)
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]))
@click.option("--language", type=click.Choice(["ja", "en"]), default="ja", show_default=True)
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@command
def add(world: World, email: str, name: str, roles: tuple[str, ...], language: str, password: str) -> None:
    """Add an account. The first one may be added without --as; later ones need an administrator."""
    first = not accounts.list_accounts(world.engine)
    actor = accounts.SYSTEM if first else world.account(Permission.ACCOUNTS_MANAGE).actor
    user_id = accounts.add_user(
        world.engine,
        email=email,
        name=name,
        password=password,
        roles=frozenset(Role(role) for role in roles),
        language=language,
        actor=actor,
        now=world.now,
    )
    world.show({"user_id": user_id}, f"Account {user_id} was added.")


@user.command("list")
@command
def list_users(world: World) -> None:
    """List the accounts and their roles."""
    found = accounts.list_accounts(world.engine)
    lines = [f"{account.id:>4}  {account.email}  {', '.join(sorted(account.roles))}" for account in found]
    world.show(found, "\n".join(lines) or "There are no accounts yet. Add one with `incident-app user add`.")
