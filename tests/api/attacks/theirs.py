"""Who asks and whose things they ask for: forged tokens, and ids, keys, tickets and cursors of another company."""

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from attacks.companies import Company
from attacks.judge import Judge
from attacks.routes import OTHERS, Operation, id_fields, replaced
from attacks.wire import Answer, Request, head
from keys import key

KIB = 1 << 10
REFUSED = {400}


@dataclass
class Arena:
    acme: Company
    globex: Company
    judge: Judge
    forged: dict
    baseline: dict
    cursors: dict
    tickets: dict

    def request(self, operation: Operation, role: str | None = None, body: dict | None = None) -> Request:
        return operation.request(self.acme.common, self.acme.tokens.get(role or operation.caller), body)

    def as_ever(self, operation: Operation) -> set:
        """What the route answers to whoever asks properly, now or once more."""
        return {self.baseline[operation.name], 200, 202, 404}

    def call(self, operation: Operation, column: str, request: Request, allowed, caller: str = "acme") -> Answer:
        answer = (self.globex if caller == "globex" else self.acme).wire.call(request)
        return self.judge.see(operation.name, column, answer, allowed, caller, sent(request))

    def raw(self, operation: Operation, column: str, first: bytes, body: bytes, allowed, half_close=False) -> Answer:
        answer = self.acme.wire.raw(first, body, half_close)
        return self.judge.see(operation.name, column, answer, allowed, "acme", first + body[:KIB])


def sent(request: Request) -> bytes:
    """What a caller knew before they asked."""
    return b" ".join([f"{request.method} {request.path}".encode(), request.body or b"", repr(request.headers).encode()])


def unauthorized(answer: Answer) -> bool:
    return (answer.status, answer.problem(), answer.headers.get("www-authenticate")) == (401, "unauthorized", "Bearer")


def token_columns(arena: Arena, operation: Operation):
    if not operation.roles:
        return
    for column, tokens in arena.forged.items():
        for token in tokens:
            bearer = None if token is None else f"Bearer {token}".encode()
            arena.call(operation, column, arena.request(operation).under(authorization=bearer), unauthorized)
    genuine = arena.request(operation).headers["Authorization"]
    for value in (genuine.replace("Bearer", "Basic"), genuine.split()[1], f"{genuine}, {genuine}"):
        arena.call(operation, "garbage", arena.request(operation).under(authorization=value), unauthorized)
    twice = arena.request(operation)
    length = f"Content-Length: {len(twice.body or b'')}"
    arena.raw(operation, "garbage", head(twice, f"Authorization: {genuine}", length), twice.body or b"", unauthorized)


def of_nobody(theirs: str, company: Company) -> str:
    """An id as long and as old as one of theirs, that nobody has."""
    if re.fullmatch(r".*[0-9a-f]{12}", theirs):
        return theirs[:-1] + ("0" if theirs[-1] != "0" else "1")
    nobody = theirs.replace(company.mark, "NOB").replace(company.mark.lower(), "nob")
    return nobody.replace(company.name, company.name[:-1] + "q")


def gist(answer: Answer, *ids: str) -> tuple:
    """What an answer says, but for the ids that were asked for and what differs from one call to the next."""
    text = json.dumps(
        [answer.body.decode(errors="replace"), answer.headers.get("content-type"), answer.headers.get("cache-control")]
    )
    for name in sorted(ids, key=len, reverse=True):
        text = text.replace(name, "*")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "uuid", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "then", text)
    text = re.sub(r'((?:menu|wallet)_version|balance\w*)[\\": ]+[\d.]+', "as it stands", text)
    return answer.status, re.sub(r"(ticket|cursor|url)[^,]*", "sealed", text)


def told_apart(
    arena: Arena, operation: Operation, column: str, role: str, make, pairs: list, foe: Company, caller: Company
):
    """Calls with ids of another company and with ids of nobody: whoever can tell the answers apart knows too much."""
    gists = []
    nobodys = [(at, of_nobody(theirs, foe)) for at, theirs in pairs]
    for asked in (pairs, nobodys):
        request = make(asked, caller.tokens[role])
        answer = arena.call(operation, column, request, lambda answer: answer.status not in (0, 401), caller.name)
        gists.append(gist(answer, *(value for _, value in asked)))
        if operation.method == "PUT":
            caller.wire.call(operation.request(caller.common, caller.tokens[role]))  # And is as it was.
    if gists[0] != gists[1]:
        arena.judge.fault(operation.name, column, "leak", f"{pairs} and {nobodys} are told apart: {gists}")


def id_columns(arena: Arena, operation: Operation, column: str, foe: Company, caller: Company, role: str | None = None):
    """Ids of `foe` in the path, each alone and all at once."""
    kinds = [kind for kind, _ in operation.path_ids if kind in foe.own and kind not in ("cutoffs", "reconciliations")]
    role = role or ("admin" if operation.is_platforms else operation.caller)
    for some in sorted({(kind,) for kind in kinds} | ({tuple(kinds)} if kinds else set())):
        make = lambda asked, token: operation.at(operation.path(caller.common | dict(asked)), token)
        told_apart(arena, operation, column, role, make, [(kind, foe.own[kind]) for kind in some], foe, caller)


def query_ids(arena: Arena, operation: Operation):
    own = arena.globex.own
    foreign = {
        "concessionaire_id": own["concessionaires"],
        "station": own["stations"],
        "rfid": own["badges"],
        "name": f"{arena.globex.mark} Quill",
    }
    for name in operation.query:
        if name in foreign:
            make = lambda asked, token: operation.at(
                f"{operation.path(arena.acme.common)}?{name}={quote(asked[0][1])}", token
            )
            told_apart(
                arena, operation, "query id", operation.caller, make, [(name, foreign[name])], arena.globex, arena.acme
            )


def body_ids(arena: Arena, operation: Operation):
    body = operation.body()
    for one in [body, *OTHERS.get(operation.name, [])]:
        for at, kind in id_fields(one):
            make = lambda asked, token: arena.request(operation, body=replaced(one, at, asked[0][1]))
            pairs = [(at, arena.globex.own[kind])]
            told_apart(arena, operation, "body id", operation.caller, make, pairs, arena.globex, arena.acme)
    if body is not None:
        for name in ("tenant", "tenant_id", "custom:tenant_id"):
            arena.call(operation, "body id", arena.request(operation, body=body | {name: "globex"}), REFUSED)


def header_ids(arena: Arena, operation: Operation):
    """Keys and tags that the other company was given."""
    if operation.is_command:
        under = arena.request(operation).under(idempotency_key=arena.globex.spent_keys.pop())
        fresh = lambda answer: answer.status in arena.as_ever(operation) and "idempotent-replayed" not in answer.headers
        arena.call(operation, "key or tag", under, fresh)
        for wrong in (
            "",
            "1",
            "01900000-0000-7000-8000-000000000000",
            "x" * 5000,
            "*",
            key().upper() + "-",
            key().replace("-", ""),
        ):
            arena.call(operation, "key or tag", arena.request(operation).under(idempotency_key=wrong), REFUSED)
        for wish in ("wait=99999999999999999999", "wait=-1", 'respond-async, wait="1"; x=' + "y" * 5000):
            arena.call(operation, "key or tag", arena.request(operation).under(prefer=wish), arena.as_ever(operation))
    if "If-Match" in operation.headers:
        menu = arena.globex.ask("admin", "GET", "/v1/concessionaires/coffee-bar/menu")
        for tag in (menu.headers["etag"], '"acme.kitchen.1.0"', '"globex.coffee-bar.9.9"'):
            arena.call(operation, "key or tag", arena.request(operation).under(if_match=tag), {412})
    if "If-None-Match" in operation.headers and operation.caller:
        own, theirs = (
            company.wire.call(operation.request(company.common, company.tokens[operation.caller]))
            for company in (arena.acme, arena.globex)
        )
        tag = theirs.headers.get("etag", '"globex"')
        # Of the same bytes, as of two lists that are empty, the tag is the same, and nobody learns anything.
        known = {304} if own.body == theirs.body and own.status == 200 else {200, 404}
        arena.call(operation, "key or tag", arena.request(operation).under(if_none_match=tag), known)


def sealed(arena: Arena, operation: Operation):
    """Tickets and cursors of another company, of another place, and altered ones."""
    for name, column in (("ticket", "ticket"), ("cursor", "cursor")):
        if name not in operation.query:
            continue
        known = arena.tickets if name == "ticket" else arena.cursors
        own = known["acme"].get(operation.name)
        foreign = list(known["globex"].values()) + [text for of, text in known["acme"].items() if of != operation.name]
        altered = (
            [own[:-2] + ("A" if own[-2] != "A" else "B") + own[-1], own[:-4], own + "AAAA", "B" + own[1:]]
            if own
            else []
        )
        path = arena.request(operation).path
        for text in [*foreign, *altered, "", "AAAA", "e30", "x" * 20000, "\u0000", "../globex"]:
            asked = f"{path}{'&' if '?' in path else '?'}{name}={quote(text)}"
            # Of what is not there, no page is looked for.
            allowed = REFUSED | ({404} if column == "cursor" and arena.baseline[operation.name] == 404 else set())
            arena.call(operation, column, arena.request(operation).but(path=asked), allowed)


def path_ids(arena: Arena, operation: Operation):
    id_columns(arena, operation, "path id", arena.globex, arena.acme)


def their_token(arena: Arena, operation: Operation):
    """The other company's genuine tokens, with ids of this one."""
    if operation.roles and not operation.is_platforms:
        id_columns(arena, operation, "their token", arena.acme, arena.globex)
