"""A mailbox server of our own on this machine: it speaks just enough IMAP over TLS, and notes what it was asked."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Self


class ImapServer:
    def __init__(self, context: ssl.SSLContext, mails: Mapping[int, bytes], *, break_off: bool = False) -> None:
        self._context, self._mails, self._password = context, dict(mails), "right"
        self.commands: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.break_off = break_off

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # wakes who still waits for somebody to come
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            plain, _ = self._listener.accept()
            with plain, self._context.wrap_socket(plain, server_side=True) as line, line.makefile("rwb") as stream:
                stream.write(b"* OK ready\r\n")
                stream.flush()
                while words := stream.readline().decode().strip():
                    tag, _, command = words.partition(" ")
                    self.commands.append(re.sub(r"^LOGIN .*", "LOGIN", command))
                    if self.break_off and command.startswith("UID FETCH"):
                        return
                    stream.write(self._answer(tag, command))
                    stream.flush()
        except OSError:
            return

    def _answer(self, tag: str, command: str) -> bytes:
        done = f"{tag} OK done\r\n".encode()
        if command == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n" + done
        if command.startswith("LOGIN") and not command.endswith(f'"{self._password}"'):
            return f"{tag} NO wrong\r\n".encode()
        if command.startswith(("EXAMINE", "SELECT")) and "INBOX" not in command:
            return f"{tag} NO no such folder\r\n".encode()
        if command.startswith("UID SEARCH"):
            return f"* SEARCH {' '.join(map(str, self._mails))}\r\n".encode() + done
        if found := re.match(r"UID FETCH (\d+) ", command):
            raw = self._mails.get(int(found[1]), b"")
            if not raw:
                return done
            head = f"* 1 FETCH (UID {found[1]} BODY[]<0> {{{len(raw)}}}\r\n".encode()
            return head + raw + b")\r\n" + done
        if command == "LOGOUT":
            return b"* BYE\r\n" + done
        return b"* 1 EXISTS\r\n" + done
