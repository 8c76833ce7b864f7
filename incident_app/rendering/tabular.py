"""Cells of CSV and Markdown tables that neither a spreadsheet nor a reader takes for something else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Spreadsheets read wide characters as formulas too, and skip white space in front."""


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV with CRLF line ends; a cell that a spreadsheet would run as a formula gets a quote in front."""
    return csv_lines([header]) + csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Write some rows of a CSV file, for files that are written piece by piece."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write rows as a Markdown table."""
    lines = [_line(header), _line(["---"] * len(header))]
    lines += [_line(["" if cell is None else str(cell) for cell in row]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    shown = (" ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for cell in cells)
    return f"| {' | '.join(shown)} |"


def harmless(cell: object) -> str:
    """Put a quote in front of a cell that a spreadsheet would run as a formula."""
    text = "" if cell is None else str(cell)
    if isinstance(cell, int):  # a number below zero is no formula
        return text
    first = text.lstrip()
    return f"'{text}" if first.startswith(FORMULA_STARTS) or text[:1] in {"\t", "\r", "\n"} else text
