"""Webhooks that would have us call our own insides, and sockets that would listen to another company."""

import base64
import json
import os
import socket
import struct
import threading
import time
from urllib.parse import quote, urlsplit

from attacks.companies import Company
from attacks.wire import Wire, parsed

INSIDE = """
    http://hooks.example.com/ https://127.0.0.1/ https://127.1/ https://0/ https://0.0.0.0/ https://[::1]/
    https://[::]/ https://[::ffff:127.0.0.1]/ https://[::ffff:7f00:1]/ https://[64:ff9b::7f00:1]/
    https://2130706433/ https://0x7f000001/ https://0x7f.0.0.1/ https://0177.0.0.1/ https://017700000001/
    https://127.0.0.1.:443/ https://169.254.169.254/latest/meta-data/ https://[fd00:ec2::254]/ https://2852039166/
    https://10.0.0.1/ https://172.16.0.1/ https://192.168.0.1/ https://100.64.0.1/ https://[fe80::1]/
    https://[fc00::1]/ https://224.0.0.1/ https://255.255.255.255/ https://localhost/ https://LOCALHOST/
    https://localhost./ https://a.localhost/ https://user:secret@hooks.example.com/
    https://hooks.example.com@127.0.0.1/ https://hooks.example.com#@127.0.0.1/ https:///etc/passwd https://
    file:///etc/passwd gopher://127.0.0.1:6379/_ ftp://127.0.0.1/ //127.0.0.1/
""".split()
ODD = [
    "https://hooks.example.com\\@127.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://hooks.example.com/\r\nX-Evil: 1",
    " https://hooks.example.com/",
    "https://hooks.example.com/" + "a" * 600,
    "",
]
TRIED_S = 15
ANSWER_S = 20


def attack(arena):
    webhooks(arena)
    sockets(arena)


def webhooks(arena):
    acme, judge = arena.acme, arena.judge
    for url in [*INSIDE, *ODD]:
        for method, path, name in (
            ("POST", "/v1/webhooks", "postWebhook"),
            ("PATCH", f"/v1/webhooks/{acme.own['webhooks']}", "patchWebhook"),
        ):
            answer = acme.ask("admin", method, path, {"url": url})
            judge.see(name, "inside URL", answer, {400}, "acme", url.encode())
    named(arena)


def named(arena):
    """A name that leads to this machine is found out when it is called, and nobody is called."""
    acme, listener = arena.acme, socket.create_server(("0.0.0.0", 0))
    listener.settimeout(0.1)
    called = []

    def take():
        while listener.fileno() >= 0:
            try:
                called.append(listener.accept())
            except TimeoutError:
                continue
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    hook = {
        "url": f"https://{socket.gethostname().lower()}:{listener.getsockname()[1]}/",
        "events": ["internal-pos.webhook.tested.v1"],
    }
    for other in acme.ask("admin", "GET", "/v1/webhooks").json()["items"]:
        if other["id"] != acme.own["webhooks"]:
            acme.do("admin", "DELETE", f"/v1/webhooks/{other['id']}")
    made = acme.do("admin", "POST", "/v1/webhooks", hook)["id"]
    acme.do("admin", "POST", f"/v1/webhooks/{made}/test")
    attempts, deadline = [], time.monotonic() + TRIED_S
    while not attempts and time.monotonic() < deadline:
        answer = acme.ask("admin", "GET", f"/v1/webhooks/{made}/deliveries")
        attempts = [attempt for item in answer.json().get("items", []) for attempt in item.get("attempts", [])]
        time.sleep(0.1)
    arena.judge.see("testWebhook", "inside URL", answer, {200}, "acme", json.dumps(hook).encode())
    listener.close()
    if called or not attempts or "not-public" not in json.dumps(attempts):
        arena.judge.fault(
            "testWebhook", "inside URL", "leak", f"{hook['url']} was called {len(called)} times: {attempts}"
        )
    acme.do("admin", "DELETE", f"/v1/webhooks/{made}")


class Socket:
    """A WebSocket, as far as it takes to be refused."""

    def __init__(self, url: str, ticket: str):
        wire, place = Wire(url.replace("ws", "http", 1)), urlsplit(url)
        self.connection = wire.open()
        lines = [
            f"GET {place.path}?ticket={quote(ticket)} HTTP/1.1",
            "Host: pos",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "",
            "",
        ]
        self.connection.sendall("\r\n".join(lines).encode())
        self.connection.settimeout(ANSWER_S)
        self.answer = parsed(self.receive())

    def receive(self) -> bytes:
        try:
            return self.connection.recv(1 << 16)
        except OSError:
            return b""

    def say(self, frame: dict) -> bytes:
        """A masked text frame, and what is answered."""
        text, mask = json.dumps(frame).encode(), os.urandom(4)
        length = (
            struct.pack(">BBH", 0x81, 0xFE, len(text))
            if len(text) > 125
            else struct.pack(">BB", 0x81, 0x80 | len(text))
        )
        self.connection.sendall(length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text)))
        return self.receive()


def ticket(company: Company, role: str = "admin") -> dict:
    return company.ask(role, "POST", "/v1/listener-tickets").json()


def sockets(arena):
    acme, judge, name = arena.acme, arena.judge, "createListenerTicket"
    opened, theirs = ticket(acme), ticket(arena.globex)
    sealed = opened["ticket"]
    genuine = Socket(opened["url"], sealed)
    judge.see(name, "socket", genuine.answer, {101}, "acme", sealed.encode())
    swapped = sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1]
    for wrong in (
        sealed,
        swapped,
        sealed[:-8],
        "B" + sealed[1:],
        acme.tokens["admin"],
        theirs["ticket"][:-6] + sealed[-6:],
        arena.tickets["acme"]["getReceipt"],
        "",
        "x" * 20000,
    ):
        judge.see(name, "socket", Socket(opened["url"], wrong).answer, {401, 403, 400}, "acme", wrong.encode())
    # On a socket of Acme's: another company's ticket, and audiences that are another's. A wallet of that number would
    # be Acme's own, whoever else has one; what is heard there is for tests/system/listeners.rs.
    station, stall = (
        f"stations/{arena.globex.own['stations']}",
        f"concessionaires/{arena.globex.own['concessionaires']}",
    )
    for is_theirs, to in (
        (True, "tenant"),
        (True, "commands"),
        (False, station),
        (False, stall),
        (False, "T#globex"),
        (False, "globex/tenant"),
    ):
        own = ticket(acme, "cashier")
        listening = Socket(own["url"], own["ticket"])
        session = theirs["ticket"] if is_theirs else own["ticket"]
        heard = listening.say({"type": "subscribe", "session": session, "to": to})
        judge.calls[name, "socket"] += 1
        if b'"refused"' not in heard and b'"error"' not in heard:
            judge.fault(name, "socket", "leak", f"{to} was subscribed to: {heard[:200]!r}")
