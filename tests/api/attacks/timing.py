"""Whether the time that an answer takes tells what is another company's from what is nobody's."""

import math
import random
import statistics
import time

from attacks.theirs import of_nobody

PAIRS = 200
ROUNDS = 2
# What differs by less, or as little as chance does, tells nothing.
APART = 0.20
LIKELY = 0.001


def attack(arena):
    """Pairs of calls in random order on one connection; a difference counts if a second round has it, too."""
    own, mine = arena.globex.own, arena.acme.common
    probes = {
        "getEmployee": (f"/v1/employees/{own['employees']}", own["employees"], "admin"),
        "getMenu": (f"/v1/concessionaires/{own['concessionaires']}/menu", own["concessionaires"], "manager"),
        "getReceipt": (f"/v1/receipts/{own['receipts']}", own["receipts"], "admin"),
        "getCheckout": (f"/v1/employees/{mine['employees']}/checkouts/{own['checkouts']}", own["checkouts"], "cashier"),
        "getUser": (f"/v1/users/{own['users']}", own["users"], "admin"),
        "getWebhook": (f"/v1/webhooks/{own['webhooks']}", own["webhooks"], "admin"),
        "listEmployees": (f"/v1/employees?rfid={own['badges']}", own["badges"], "admin"),
        "getTenant": (f"/v1/tenants/{own['tenants']}", own["tenants"], "admin"),
    }
    draw = random.Random(1)
    for name, (foreign, theirs, role) in probes.items():
        unknown = foreign.replace(theirs, of_nobody(theirs, arena.globex))
        for _ in range(ROUNDS):
            apart, told = compared(arena, name, foreign, unknown, role, draw)
            if not apart:
                break
        print(f"hostile: {name}: {told}")
        if apart:
            arena.judge.fault(name, "timing", "leak", f"{foreign} and {unknown} take differently long: {told}")


def compared(arena, name: str, foreign: str, unknown: str, role: str, draw: random.Random) -> tuple:
    took = {foreign: [], unknown: []}
    bodies = {foreign: set(), unknown: set()}
    for _ in range(PAIRS):
        for path in draw.sample([foreign, unknown], 2):
            began = time.perf_counter()
            answer = arena.acme.ask(role, "GET", path)
            took[path].append((time.perf_counter() - began) * 1000)
            bodies[path].add((answer.status, answer.body))
            arena.judge.see(name, "timing", answer, {200, 404}, "acme", path.encode())
    if bodies[foreign] != bodies[unknown] or len(bodies[foreign]) != 1:
        arena.judge.fault(name, "timing", "leak", f"{foreign} and {unknown} are answered differently: {bodies}")
    theirs, nobodys = statistics.median(took[foreign]), statistics.median(took[unknown])
    chance = mann_whitney(took[foreign], took[unknown])
    told = f"another's in {theirs:.2f} ms, nobody's in {nobodys:.2f} ms, p = {chance:.2f}"
    return abs(theirs / nobodys - 1) > APART and chance < LIKELY, told


def mann_whitney(some: list, others: list) -> float:
    """How likely ranks as different as these are where nothing differs, both ways, by the normal approximation."""
    ranked = sorted([(value, 0) for value in some] + [(value, 1) for value in others])
    ranks = sum(rank for rank, (_, group) in enumerate(ranked, 1) if group == 0)
    n, m = len(some), len(others)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))
