"""Calls as hostile callers make them: whatever bytes they like, on connections of their own."""

import json
import socket
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

PATIENCE_S = 20
# What is read of an answer; none of ours is longer.
ANSWER_BYTES_MAX = 4 << 20


@dataclass
class Answer:
    status: int  # 0 where the connection ended without an answer
    headers: dict
    body: bytes

    def json(self) -> dict:
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def problem(self) -> str:
        return str(self.json().get("type", "")).rsplit(":", 1)[-1]


@dataclass
class Request:
    method: str
    path: str
    body: bytes | None = None
    headers: dict = field(default_factory=dict)

    def but(self, **changes) -> "Request":
        return Request(**(self.__dict__ | changes))

    def under(self, **headers) -> "Request":
        """With headers set, or taken away where they are None; `_` in a name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in named}
        return self.but(headers=kept | {name: value for name, value in named.items() if value is not None})


class Wire:
    """One server, reached by one connection that is kept, or by one for a single call."""

    def __init__(self, url: str):
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port
        self.kept = None

    def call(self, request: Request) -> Answer:
        for is_second in (False, True):
            self.kept = self.kept or HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
            try:
                self.kept.request(request.method, request.path, request.body, request.headers)
                got = self.kept.getresponse()
                return Answer(got.status, {n.lower(): v for n, v in got.getheaders()}, got.read(ANSWER_BYTES_MAX))
            except (HTTPException, OSError):
                self.kept.close()
                self.kept = None
                if is_second:
                    return Answer(0, {}, b"")

    def raw(self, head: bytes, body: bytes = b"", half_close: bool = False) -> Answer:
        """Bytes as they are; what comes back, until the other side ends it or has answered."""
        with self.open() as connection:
            try:
                connection.sendall(head + body)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It was answered before it was sent.
            return read(connection)

    def open(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE_S)


def read(connection: socket.socket) -> Answer:
    got = b""
    try:
        while len(got) < ANSWER_BYTES_MAX and not is_whole(got):
            more = connection.recv(1 << 16)
            if not more:
                break
            got += more
    except OSError:
        pass
    return parsed(got)


def is_whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and bool(length) and len(body) >= int(length[0].split(b":")[1])


def parsed(got: bytes) -> Answer:
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 "):
        return Answer(0, {}, got)
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers = {name.lower(): value for name, value in headers.items()}
    return Answer(int(lines[0].split()[1]), headers, body)


def head(request: Request, *lines: str) -> bytes:
    """The head of a request that is written by hand, with further lines as they are."""
    named = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([f"{request.method} {request.path} HTTP/1.1", "Host: pos", *named, *lines, "", ""]).encode()
