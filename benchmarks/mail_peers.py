"""Mail peers and the sink they all send to, fetched from the ordinary package sources into a folder of this run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SESSIONS = 20
NODEMAILER, POST_OFFICE, DJANGO = "nodemailer@10.6.0", "django-post_office==3.12.0", "Django>=5.2,<5.3"


class Skipped(Exception):
    """A peer cannot be had here; the words say why."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """The one mail that every peer sends to everybody."""

    subject: str
    sender: str
    text: str
    html: str
    octets: bytes


@dataclass(frozen=True, kw_only=True)
class Postfix:
    """Where smtp-sink and smtp-source are; nothing is installed and no daemon runs."""

    tools: Path
    libraries: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_LIBRARY_PATH": str(self.libraries)}

    @contextmanager
    def sink(self, *, pipelining: bool = True, output: IO[bytes] | None = None) -> Iterator[int]:
        """Run smtp-sink on a port of the kernel's choice while the block runs; `output` takes its running counts."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        plain = [] if pipelining else ["-p"]
        counting = [] if output is None else ["-c"]
        command = [self.tools / "smtp-sink", "-4", *user, *plain, *counting, "-m", "300", f"127.0.0.1:{port}", "1024"]
        process = subprocess.Popen(command, env=self.environment, stdout=output, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait()

    def source(self, port: int, mail: Path, messages: int) -> float:
        """Send one mail again and again with smtp-source over kept connections; return the seconds."""
        return timed_command(
            [
                self.tools / "smtp-source",
                *("-4", "-d", "-s", str(SESSIONS), "-m", str(messages), "-F", str(mail)),
                *("-f", "notice@sender.example", "-t", "person@customer.example", f"127.0.0.1:{port}"),
            ],
            self.environment,
        )


def postfix(folder: Path) -> Postfix:
    """Find the tools, or unpack them from the distribution's package."""
    if found := shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return Postfix(tools=Path(found).parent, libraries=Path("/usr/lib/postfix"))
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise Skipped("smtp-sink and smtp-source are not here and apt-get is not either")
    _run(["apt-get", "download", "-q", "postfix"], folder)
    (package,) = folder.glob("postfix_*.deb")
    _run(["dpkg", "-x", str(package), "postfix"], folder)
    return Postfix(tools=folder / "postfix/usr/sbin", libraries=folder / "postfix/usr/lib/postfix")


_NODE_SCRIPT = """
const nodemailer = require("nodemailer");
const [port, first, count, file] = [+process.argv[2], +process.argv[3], +process.argv[4], process.argv[5]];
const mail = JSON.parse(require("fs").readFileSync(file, "utf8"));
const pool = nodemailer.createTransport({host: "127.0.0.1", port, pool: true, maxConnections: 20, maxMessages: Infinity,
  ignoreTLS: true});
let next = first, done = 0;
const started = process.hrtime.bigint();
function send() {
  if (next >= first + count) return;
  const n = next++;
  pool.sendMail({from: mail.sender, to: `person${n}@customer.example`, subject: mail.subject, textEncoding: "base64",
    text: mail.text.replace("{{name}}", "Person " + n), html: mail.html.replace("{{name}}", "Person " + n)},
    (error) => {
      if (error) { console.error(error.code); process.exit(1); }
      if (++done === count) {
        pool.close();
        console.log(Number(process.hrtime.bigint() - started) / 1e9);
      }
      send();
    });
}
for (let i = 0; i < 40; i++) send();
"""


class Nodemailer:
    """A pool of 20 connections, 40 sends in flight; nothing is recorded."""

    def __init__(self, folder: Path, mail: Mail) -> None:
        if not (shutil.which("node") and shutil.which("npm")):
            raise Skipped("node and npm are not here")
        self._folder = folder / "nodemailer"
        self._folder.mkdir()
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", NODEMAILER], self._folder)
        (self._folder / "send.js").write_text(_NODE_SCRIPT, encoding="utf-8")
        self._mail = self._folder / "mail.json"
        told = {"subject": mail.subject, "sender": mail.sender, "text": mail.text, "html": mail.html}
        self._mail.write_text(json.dumps(told), encoding="utf-8")

    def send(self, port: int, messages: int) -> float:
        """Return the seconds of the better of one and two processes, start of the interpreter left out."""
        return min(self._send(port, messages, processes) for processes in (1, 2))

    def _send(self, port: int, messages: int, processes: int) -> float:
        share = messages // processes
        running = [
            subprocess.Popen(
                ["node", "send.js", str(port), str(share * number), str(share), str(self._mail)],
                cwd=self._folder,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        said = [process.communicate()[0] for process in running]
        if any(process.returncode for process in running):
            raise RuntimeError("nodemailer failed")
        return max(map(float, said))


_DJANGO_SCRIPT = """
import json, sys, time
from pathlib import Path
import django
from django.conf import settings
folder, port, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"], SECRET_KEY="bench", USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "post.db", "OPTIONS": {
        "timeout": 60, "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"}}},
    EMAIL_BACKEND="post_office.EmailBackend",
    POST_OFFICE={"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}, "LOG_LEVEL": 0,
                 "BATCH_SIZE": 2000, "THREADS_PER_PROCESS": 5, "BATCH_DELIVERY_TIMEOUT": 600},
    EMAIL_HOST="127.0.0.1", EMAIL_PORT=port)
django.setup()
if __name__ == "__main__":
    from django.core.management import call_command
    from django.db import connections
    from post_office.mail import send_queued
    from post_office.models import STATUS, Email
    call_command("migrate", verbosity=0)
    mail = json.loads((folder / "mail.json").read_text("utf-8"))
    Email.objects.all().delete()
    Email.objects.bulk_create([
        Email(from_email=mail["sender"], to=[f"person{n}@customer.example"], subject=mail["subject"],
              message=mail["text"].replace("{{name}}", f"Person {n}"),
              html_message=mail["html"].replace("{{name}}", f"Person {n}"), status=STATUS.queued, priority=2)
        for n in range(count)])
    connections.close_all()
    started = time.perf_counter()
    while Email.objects.filter(status=STATUS.queued).exists():
        send_queued(processes=2, log_level=0)
    seconds = time.perf_counter() - started
    assert Email.objects.filter(status=STATUS.sent).count() == count
    print(seconds)
"""


class PostOffice:
    """django-post_office on SQLite (WAL, synchronous=FULL): two processes of five threads, bodies written before."""

    def __init__(self, folder: Path, mail: Mail) -> None:
        self._folder = folder / "post_office"
        self._folder.mkdir()
        _run([sys.executable, "-m", "venv", "venv"], self._folder)
        pip = [str(self._folder / "venv/bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _run([*pip, DJANGO, POST_OFFICE], self._folder)
        (self._folder / "send.py").write_text(_DJANGO_SCRIPT, encoding="utf-8")
        told = {"subject": mail.subject, "sender": mail.sender, "text": mail.text, "html": mail.html}
        (self._folder / "mail.json").write_text(json.dumps(told), encoding="utf-8")

    def send(self, port: int, messages: int) -> float:
        """Return the seconds that sending took, preparing left out."""
        python = self._folder / "venv/bin/python"
        done = subprocess.run(
            [python, "send.py", str(self._folder), str(port), str(messages)],
            cwd=self._folder,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return float(done.stdout.split()[-1])


def timed_command(command: Sequence[object], environment: Mapping[str, str]) -> float:
    """Run a command to its end and return the seconds."""
    start = time.perf_counter()
    subprocess.run([str(word) for word in command], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as failure:
        raise Skipped(f"{command[0]} could not fetch it: {type(failure).__name__}") from None


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError("smtp-sink does not answer")
