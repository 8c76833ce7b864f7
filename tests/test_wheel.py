"""The wheel carries everything: installed into an empty environment, the demonstration runs from it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from tests.builders import ROOT


def test_the_demonstration_runs_from_an_installed_wheel(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"incident_app", "notifications"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True, capture_output=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    # The libraries it depends on come from this environment; the program itself must be the wheel's.
    Path(site, "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    environment = {**os.environ, "INCIDENT_APP_HOME": str(tmp_path / "home"), "PYTHONPATH": ""}
    where = subprocess.run(
        [
            str(python),
            "-c",
            "import incident_app, incident_app.paths as p; print(incident_app.__file__, p.static_folder())",
        ],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert where.count(str(tmp_path / "env")) == 2
    demo = subprocess.run(
        [str(tmp_path / "env" / "bin" / "incident-app"), "demo", "--no-serve", "--customers", "300"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    assert "Wave 2" in demo.stdout
    assert "unbroken" in demo.stdout
    (home,) = (tmp_path / "home").iterdir()
    assert {path.name for path in (home / "papers").iterdir()} >= {"report.json", "timeline.csv", "commitment.md"}
