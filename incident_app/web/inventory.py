"""The pages of the register: gaps first, stores by operator, one store, and files that go out and in."""

from __future__ import annotations

import os
from pathlib import Path

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.inventory_rows import TABLES
from incident_app.services import inventory_files, readiness, register
from incident_app.services.inventory_files import ImportPlan, RegisterMoved
from incident_app.web import context
from incident_app.web.context import requires, shown_at

blueprint = flask.Blueprint("inventory", __name__)
LINES_SHOWN = 200
KINDS = ("json", "toml", "zip", *(f"{table}.csv" for table in TABLES))


@blueprint.get("/register")
@requires(Permission.INVENTORY_READ)
def index() -> str:
    return flask.render_template(
        "inventory/index.html",
        register=register.read_register(context.engine()),
        shown=readiness.shown_gaps(context.engine(), now=context.now()),
    )


@blueprint.get("/register/stores/<code>")
@requires(Permission.INVENTORY_READ)
def store(code: str) -> str:
    found = register.get_store_page(context.engine(), code)
    gaps = readiness.shown_gaps(context.engine(), now=context.now()).gaps
    subjects = {found.store.code, *([] if found.operator.is_ourselves else [found.operator.code])}
    return flask.render_template(
        "inventory/store.html", page=found, gaps=[gap for gap in gaps if gap.subject in subjects]
    )


@blueprint.get("/register/export.<form>")
@requires(Permission.INVENTORY_READ)
def export(form: str) -> Response:
    if form == "json":
        content, media_type = inventory_files.export_json(context.engine()), "application/json"
    elif form == "zip":
        content = inventory_files.zipped(inventory_files.export_csv(context.engine()))
        media_type = "application/zip"
    else:
        raise NotFound(what="export", name=form)
    headers = {"Content-Disposition": f"attachment; filename=register.{form}"}
    return flask.Response(content, mimetype=media_type, headers=headers)


@blueprint.get("/register/import")
@requires(Permission.INVENTORY_WRITE)
def choose_file() -> str:
    return flask.render_template("inventory/import.html")


@blueprint.post("/register/import")
@requires(Permission.INVENTORY_WRITE)
@shown_at("inventory.choose_file")
def hand_in() -> Response:
    upload = flask.request.files.get("file")
    content = upload.read() if upload else b""
    if upload is None or not content:
        raise BadInput(field="file", problem="choose a JSON, TOML, CSV or zip file")
    name = Path((upload.filename or "").replace("\\", "/")).name
    suffix = name.rpartition(".")[2].lower()
    kind = name if suffix == "csv" else suffix
    if kind not in KINDS:
        raise BadInput(field="file", problem="must end in .json, .toml or .zip, or be a table such as stores.csv")
    inventory_files.plan_import(context.engine(), {_name(content, kind): content}, name=_name(content, kind))
    digest = digest_of_bytes(content)
    descriptor = os.open(_place(digest, kind), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return flask.redirect(flask.url_for("inventory.preview", digest=digest, kind=kind))


@blueprint.get("/register/import/<digest>/<kind>")
@requires(Permission.INVENTORY_WRITE)
def preview(digest: str, kind: str) -> str:
    plan = _plan(digest, kind)
    return flask.render_template(
        "inventory/preview.html",
        plan=plan,
        lines=plan.changes[:LINES_SHOWN],
        more=max(len(plan.changes) - LINES_SHOWN, 0),
        address=flask.url_for("inventory.apply", digest=digest, kind=kind),
    )


@blueprint.post("/register/import/<digest>/<kind>")
@requires(Permission.INVENTORY_WRITE)
@shown_at("inventory.preview")
def apply(digest: str, kind: str) -> Response:
    plan = _plan(digest, kind)
    if plan.base != context.typed("base"):
        raise RegisterMoved
    inventory_files.apply_import(context.engine(), plan, actor=context.account().actor, now=context.now())
    _place(digest, kind).unlink(missing_ok=True)
    context.done("register.applied", **plan.counts)
    return flask.redirect(flask.url_for("inventory.index"))


def _plan(digest: str, kind: str) -> ImportPlan:
    place = _place(digest, kind)
    if not place.is_file():
        raise NotFound(what="file handed in", name=digest[:12])
    content = place.read_bytes()
    name = _name(content, kind)
    return inventory_files.plan_import(context.engine(), {name: content}, name=name)


def _place(digest: str, kind: str) -> Path:
    """Return where a file that was handed in waits: its name is made of its digest, never of what a browser says."""
    if kind not in KINDS or not (len(digest) == 64 and digest.isalnum()):  # noqa: PLR2004 - SHA-256
        raise NotFound(what="file handed in", name=digest[:12])
    return context.parts().uploads / f"inventory-{digest}-{kind}"


def _name(content: bytes, kind: str) -> str:
    """Return the name that faults are told by; a file of stores without a title is known by its content."""
    return kind if kind.endswith(".csv") else f"{digest_of_bytes(content)[:12]}.{kind}"
