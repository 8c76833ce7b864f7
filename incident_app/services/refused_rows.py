"""The list of refused rows as a file that belongs to the owner alone."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from incident_app.rendering.tabular import harmless
from incident_app.services.sources import OpenedFile
from incident_app.services.spools import Spool


def write_refused(path: Path, file: OpenedFile, refused: Spool[tuple[int, str]], *, with_rows: bool) -> None:
    """Write line and reason of each refused row; `with_rows` copies the row beside them, so that it can be mended.

    Without rows the list holds nothing personal and can be passed on. With rows it can be imported again once it is
    mended: the columns `line` and `reason` are then removed.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.fchmod(descriptor, 0o600)  # the file may have been there before
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["line", "reason", *(map(harmless, file.header) if with_rows else ())])
        originals = file.rows() if with_rows else iter(())
        for line, reason in refused.rows():
            cells: list[str] = []
            for number, values in originals:
                if number == line:
                    cells = [harmless(value) for value in values] if isinstance(values, list) else []
                    break
            writer.writerow([line, reason, *cells])
