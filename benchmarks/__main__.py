"""Run every benchmark and write docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

from benchmarks import chaos, dispatch, impact, import_, measure

if __name__ == "__main__":
    modules = (impact, dispatch, chaos, import_)
    documents = {module.__name__.rpartition(".")[2].rstrip("_"): module.run() for module in modules}
    target = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
    target.write_text(measure.as_markdown(documents), encoding="utf-8")
    print(measure.as_markdown(documents))
