"""`make hostile`: does to every route of a system of its own whatever hostile callers may think of, and fails on a
5xx, on a word of another company or of our insides, and on an answer that such a call is not given.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from attacks import files, reach, shapes, slow, theirs, timing
from attacks.companies import Company
from attacks.forge import RsaKey, forgeries
from attacks.judge import Judge, canaries, rehearse
from attacks.routes import operations
from attacks.theirs import Arena
from attacks.wire import Request, Wire
from conform import initiate_auth, local_system

SEED = 1
FAULTS_SHOWN = 40
FIRST = [
    theirs.token_columns,
    theirs.header_ids,
    theirs.sealed,
    shapes.bodies,
    shapes.bombs,
    shapes.framing,
    shapes.floods,
    shapes.paths,
    shapes.methods,
]
# Last, and of what makes something at the very last: from then on there are things of the same names.
THEIRS = [theirs.query_ids, theirs.body_ids, theirs.path_ids]
# What a log may not hold, whoever was called what.
LOG = re.compile(r"panick|Bearer |eyJ[\w-]{10}|RUST_BACKTRACE|correct-horse|whsec_")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, help="the local system; or POS_ENDPOINTS names one that runs")
    parser.add_argument("--break-in", action="store_true", help="hide a leak among the answers, which has to be found")
    arguments = parser.parse_args()
    running = os.environ.get("POS_ENDPOINTS")
    if not (running or arguments.local):
        parser.error("--local or POS_ENDPOINTS says against what")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seen = rehearse()
    print(f"hostile: the judge finds {seen} fabricated faults")
    with tempfile.TemporaryDirectory(prefix="pos-hostile-") as directory:
        here = (
            nullcontext(json.loads(Path(running).read_text())) if running else local_system(arguments.local, directory)
        )
        with here as endpoints:
            log = (Path(running).parent if running else Path(directory)) / "log.jsonl"
            return assault(endpoints, log, arguments.break_in)


def assault(endpoints: dict, log: Path, breaks_in: bool) -> int:
    began = time.monotonic()
    acme, globex, judge = Company("acme", endpoints, "ACM"), Company("globex", endpoints, "GLX"), Judge()
    description = acme.wire.call(Request("GET", "/v1/openapi.json")).json()
    routes = operations(description)
    for company in (acme, globex):
        company.plant()
    globex.spend_keys(sum(route.is_command for route in routes))
    given = {"cursors": cursors(routes, acme, globex), "tickets": tickets(acme, globex)}
    ours, others = acme.readable(routes), globex.readable(routes)
    judge.hide("globex", canaries(others, ours, description))
    judge.hide("acme", canaries(ours, others, description))
    for company, hidden in judge.canaries.items():
        assert len(hidden) > 10, f"{company} has next to nothing to hide: {hidden}"
    arena = Arena(acme, globex, judge, forged(endpoints, acme, globex), baseline={}, **given)
    for route in routes:
        answer = acme.wire.call(arena.request(route))
        assert 200 <= answer.status < 300 or answer.status == 404, (
            f"{route.name} is not called as it should be: {answer}"
        )
        arena.baseline[route.name] = answer.status
    if breaks_in:
        judge.see("getMe", "none", acme.wire.call(globex_me(globex)), {200}, "acme")

    with slow.connections(arena, routes):
        for attack in FIRST:
            for route in routes:
                attack(arena, route)
        reach.attack(arena)
        files.attack(arena, routes)
        timing.attack(arena)
    guarded = sorted((route for route in routes if route.roles), key=lambda route: route.makes)
    for makes in (False, True):
        for attack in THEIRS:
            for route in guarded:
                if route.makes == makes:
                    attack(arena, route)
    unchanged(judge, "globex", others, globex.readable(routes))
    # Behind whatever of its own is still on its way.
    acme.sell("100002", "COFFEE")
    ours = acme.readable(routes)
    for route in guarded:
        theirs.their_token(arena, route)
    unchanged(judge, "acme", ours, acme.readable(routes))
    acme.sell("100002", "COFFEE")
    read_log(judge, log, acme, globex)
    return tell(judge, routes, time.monotonic() - began)


def forged(endpoints: dict, acme: Company, globex: Company) -> dict:
    user = next(user for user in endpoints["users"] if user["username"] == "acme-cashier")
    access = initiate_auth(endpoints, user)["AccessToken"]
    aws = Wire(endpoints["aws_endpoint_url"])
    keys = aws.call(Request("GET", f"/{endpoints['user_pool_id']}/.well-known/jwks.json")).json()["keys"]
    return forgeries(acme.tokens["cashier"], access, globex.tokens["cashier"], keys[0], RsaKey(SEED))


def cursors(routes: list, *companies: Company) -> dict:
    """A cursor of each list that has more than one entry."""
    found = {company.name: {} for company in companies}
    for company in companies:
        for route in routes:
            if "cursor" in route.query:
                asked = route.request(company.common, company.tokens[route.caller])
                asked = asked.but(path=asked.path + ("&" if "?" in asked.path else "?") + "limit=1")
                cursor = company.wire.call(asked).json().get("next_cursor")
                found[company.name] |= {route.name: cursor} if cursor else {}
        assert len(found[company.name]) > 5, found
    return found


def tickets(*companies: Company) -> dict:
    """A ticket of each kind of outcome."""
    commands = {
        "getReceipt": ("admin", "PATCH", "/v1/employees/100003", {}),
        "getBooking": ("admin", "POST", "/v1/employees/100003/adjustments", {"amount": 1, "reason": "because"}),
        "getImport": ("admin", "POST", "/v1/employee-imports", {"bytes": 1}),
        "getCheckout": (
            "cashier",
            "POST",
            "/v1/checkouts",
            {"rfid": "RF100003", "station": "coffee-bar-1", "items": [{"code": "COFFEE", "qty": 1}]},
        ),
    }
    found = {company.name: {} for company in companies}
    for company in companies:
        for name, (role, method, path, body) in commands.items():
            answer = company.ask(role, method, path, body, wait=0)
            found[company.name][name] = urlsplit(answer.headers["location"]).query.removeprefix("ticket=")
            if name != "getImport":
                company.decided(answer)
    return found


def globex_me(globex: Company) -> Request:
    return Request("GET", "/v1/me", None, {"Authorization": f"Bearer {globex.tokens['admin']}"})


def unchanged(judge: Judge, company: str, before: dict, after: dict):
    for path in before:
        if before[path] != after.get(path):
            was, now = json.dumps(before[path]), json.dumps(after.get(path))
            at = len(os.path.commonprefix([was, now]))
            judge.fault(
                company,
                "state",
                "leak",
                f"{path} was ...{was[max(0, at - 200) : at + 200]} and is ...{now[max(0, at - 200) : at + 200]}",
            )


def read_log(judge: Judge, log: Path, *companies: Company):
    if not log.exists():
        print(f"hostile: {log} is not here to be looked at")
        return
    names = [
        f"{company.mark} {name}"
        for company in companies
        for name in ("Quillfeather", "Ottoline", "Velvet", "secret bonus")
    ]
    forbidden = re.compile("|".join([LOG.pattern, *map(re.escape, names)]))
    for line in log.read_text(errors="replace").splitlines():
        if found := forbidden.search(line):
            judge.fault("log", "log", "leak", f"{found[0]!r} in {line[:400]}")


def tell(judge: Judge, routes: list, took_s: float) -> int:
    columns = list(dict.fromkeys(column for _, column in judge.calls))
    width = max(len(route.name) for route in routes)
    for line in range(max(map(len, columns))):
        print(" " * width, *(f"{name.rjust(max(map(len, columns)))[line]:>4}" for name in columns), sep="")
    for route in routes:
        cells = [judge.calls.get((route.name, column), 0) for column in columns]
        print(route.name.ljust(width), *(f"{cell or '.':>4}" for cell in cells), sep="")
    for kind, row, column, detail in judge.faults[:FAULTS_SHOWN]:
        print(f"{kind}: {row} x {column}: {detail}")
    counts = {kind: judge.of(kind) for kind in ("5xx", "leak", "unexpected")}
    print(
        f"hostile: {len(routes)} routes x {len(columns)} attacks, {sum(judge.calls.values())} calls in {took_s:.0f} s: "
        f"{counts['5xx']} 5xx, {counts['leak']} leaks, {counts['unexpected']} unexpected answers"
    )
    return 1 if judge.faults else 0


if __name__ == "__main__":
    sys.exit(main())
