"""`incident-app scope show`, `diff`, `party`: reading what versions of a scope say."""

from __future__ import annotations

import click

from incident_app.cli.context import World, command, jst
from incident_app.domain.scopes import ScopeDiff, TouchedStore
from incident_app.services import involved, scope_views
from incident_app.services.scope_views import EntryView, PartyView, ScopeVersion
from incident_app.services.scopes import find_newest_scope


@click.command("show")
@click.argument("reference")
@click.option("--version", type=int, help="An earlier version; the newest by default.")
@command
def show_scope(world: World, reference: str, version: int | None) -> None:
    """Show a version of the scope: what it takes, what it leaves out and why, and what is not known yet."""
    view, _ = world.incident(reference)
    if version is None and find_newest_scope(world.engine, view.id) is None:
        world.show({"version": None}, "No scope was set yet. Start with `incident-app scope add-store`.")
        return
    found = scope_views.show_scope(world.engine, view.id, version=version)
    outside = involved.people_outside(world.engine, view.id)
    lines = [*_head(found), *(line for entry in found.entries for line in entry_lines(entry)), *_tail(found)]
    if outside.affected:
        lines.append(f"  outside the inventory: {outside.affected} people affected")
    world.show(
        {
            "version": found.version,
            "scope": found.scope,
            "set_at": found.set_at,
            "set_by": found.set_by,
            "note": found.note,
            "entries": found.entries,
            "lists": found.lists,
            "findings": found.findings,
            "counts_outstanding": found.counts_outstanding,
            "people_outside": outside,
        },
        "\n".join(lines),
    )


def _head(found: ScopeVersion) -> list[str]:
    scope = found.scope
    lines = [f"Scope version {found.version}: {', '.join(sorted(scope.harms))}; cause {scope.cause}"]
    lines.append(f"  set {jst(found.set_at)} by {found.set_by}" + (f": {found.note}" if found.note else ""))
    return lines


def entry_lines(shown: EntryView) -> list[str]:
    """Say one entry in lines."""
    entry = shown.entry
    lines = [f"  store {_named(entry)}"]
    lines.append("    items: " + ", ".join(item.code for item in shown.items))
    if shown.left_out:
        lines.append("    left out: " + ", ".join(item.code for item in shown.left_out))
    if entry.reason:
        lines.append(f"    reason: {entry.reason}")
    if protected := [f"{item.code} ({item.protection})" for item in shown.items if item.protection.value != "none"]:
        voided = "; THE KEY WAS TOUCHED: this protects nobody" if entry.key_compromised else ""
        lines.append(f"    protected: {', '.join(protected)}{voided}")
    elif entry.key_compromised:
        lines.append("    the key was touched")
    if shown.party:
        lines += party_lines(shown.party)
    if shown.at_most is not None:
        lines.append(f"    no list from this party yet: at most {shown.at_most:,} people (a maximum, not a count)")
    elif shown.list_missing:
        lines.append("    no list from this party yet: everybody whose items it received is counted, as a maximum")
    if shown.people_unknown:
        lines.append("    people unknown: a list of those who used it is needed (scope add-list --store)")
    return lines


def _named(entry: TouchedStore) -> str:
    words = f"{entry.store}: {entry.certainty}"
    if entry.acquiring:
        words += ", data taken while typed in"
    if entry.touched_from or entry.touched_until:
        words += f", {jst(entry.touched_from)} to {jst(entry.touched_until)}"
    return words + (f" (evidence {entry.evidence_id})" if entry.evidence_id else "")


def party_lines(party: PartyView) -> list[str]:
    """Say what a party holds by policy and by contract, and which of them counts."""
    return [
        f"    via {party.code}: published {', '.join(party.published) or '-'}",
        f"      actual {', '.join(party.actual) or '- (none on record)'}; used: {party.used or '-'}",
    ]


def _tail(found: ScopeVersion) -> list[str]:
    lines = []
    for use in found.lists:
        listed = use.listed
        where = f", who used {listed.store}" if listed.store else ""
        lines.append(
            f"  list {listed.list_id}: {listed.relation}, {listed.certainty}{where}: "
            f"{use.people:,} people, {use.unmatched:,} rows unmatched ({use.source})"
        )
    lines += [
        f"  held past its retention: {finding.store} {finding.item}: {finding.number:,} records"
        for finding in found.findings
    ]
    if found.counts_outstanding:
        lines.append("  records held past their retention are counted with the determination: there are many")
    return lines


@click.command("diff")
@click.argument("reference")
@click.argument("before", type=int)
@click.argument("after", type=int)
@command
def diff(world: World, reference: str, before: int, after: int) -> None:
    """Say what one version of the scope takes that another does not."""
    view, _ = world.incident(reference)
    found = scope_views.compare_versions(world.engine, view.id, before, after)
    world.show(found, "\n".join(_diff_lines(found)) or "Both versions say the same.")


def _diff_lines(found: ScopeDiff) -> list[str]:
    lines = [f"- store {_with_items(entry)}" for entry in found.removed_stores]
    lines += [f"+ store {_with_items(entry)}" for entry in found.added_stores]
    lines += [f"- list {listed.list_id}: {listed.relation}, {listed.certainty}" for listed in found.removed_lists]
    lines += [f"+ list {listed.list_id}: {listed.relation}, {listed.certainty}" for listed in found.added_lists]
    if found.cause_before != found.cause_after:
        lines.append(f"cause: {found.cause_before} -> {found.cause_after}")
    if found.harms_before != found.harms_after:
        lines.append(f"harms: {', '.join(sorted(found.harms_before))} -> {', '.join(sorted(found.harms_after))}")
    return lines


def _with_items(entry: TouchedStore) -> str:
    return f"{_named(entry)}: {', '.join(sorted(entry.items)) if entry.items is not None else 'all items'}"


@click.command("party")
@click.argument("party")
@command
def party(world: World, party: str) -> None:
    """Show what a third party holds: by the published policy, by contract or transfer list, and which counts."""
    world.account()
    found = scope_views.show_party(world.engine, party)
    world.show(found, "\n".join(line.strip() for line in party_lines(found)))
