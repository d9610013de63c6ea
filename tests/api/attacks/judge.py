"""What holds of every answer, whoever asked for what: no 5xx, nothing of another company, nothing of our insides."""

import json
import re
from collections import Counter

from attacks.wire import Answer

# Traces, paths, types and resources: nothing that a caller has any business with.
INSIDES = re.compile(
    r"(?i:panicked|backtrace|stack trace|\.rs:\d|/root/|/home/|/tmp/|/registry/src|RUST_|arn:aws|amazonaws\.com/\d"
    r"|(?<![-0-9a-f])000000000000(?!\d)|pos-local|\.fifo\b|dynamo|sqlite|sqs\b|cognito-idp|aws_sdk|serde|axum::|hyper::)"
    r"|T#[a-z]|ValidationException|ConditionalCheck|TransactionCancel|\bFailure|\bMalformed\b|Some\(|\bNone\b|Err\(|TenantId"
)
# Where a presigned URL stands, which names the bucket, as it has to; and what the title of a 401 says.
KNOWN = re.compile(rb'"(?:bad_rows_)?url":"https?://[^"]*"|"A valid Cognito id token is required"')
# What stands for itself in both companies: dates, instants and other plain values.
PLAIN = re.compile(r"[\d:.TZ+-]*|\d{4}-\d\d-\d\d.*")
SHORTEST_CANARY = 6
OK_TYPES = ("application/json", "application/problem+json", "text/csv; charset=utf-8")


class Judge:
    """Counts what was called, and keeps what should not have been answered."""

    def __init__(self):
        self.calls = Counter()
        self.faults = []
        self.canaries = {}
        self.is_rehearsal = False

    def hide(self, company: str, canaries: set):
        """What nobody of another company may be told."""
        self.canaries[company] = {canary.encode() for canary in canaries}

    def see(self, row: str, column: str, answer: Answer, allowed, caller: str, sent: bytes = b""):
        """Takes an answer to somebody of `caller`, of which `sent` is what they knew before they asked."""
        self.calls[row, column] += 1
        for kind, detail in self.wrongs(answer, allowed, caller, sent):
            self.fault(
                row, column, kind, f"{detail}; asked {sent[:300]!r}, answered {answer.status} {answer.body[:300]!r}"
            )
        return answer

    def fault(self, row: str, column: str, kind: str, detail: str):
        self.faults.append((kind, row, column, detail))

    def wrongs(self, answer: Answer, allowed, caller: str, sent: bytes):
        if answer.status >= 500:
            yield "5xx", f"{answer.status}"
        elif not (allowed(answer) if callable(allowed) else answer.status in allowed):
            yield "unexpected", f"{answer.status} is not what such a call is answered"
        told = KNOWN.sub(b"", answer.body) + json.dumps(answer.headers).encode()
        for company, canaries in self.canaries.items():
            leaked = [canary for canary in canaries if company != caller and canary in told and canary not in sent]
            if leaked:
                yield "leak", f"{leaked[:3]} of {company}"
        if inside := INSIDES.search(KNOWN.sub(b"", answer.body).decode(errors="replace")):
            yield "leak", f"{inside[0]!r} of our insides"
        kind = answer.headers.get("content-type")
        if answer.body and kind not in OK_TYPES:
            yield "unexpected", f"a body of type {kind}"
        if answer.status >= 400 and answer.body and "problem" not in str(kind):
            yield "unexpected", "an error that is no problem document"

    def of(self, kind: str) -> int:
        return sum(1 for fault in self.faults if fault[0] == kind)


def strings(value) -> set:
    """Every text and long number of a JSON value, keys too."""
    if isinstance(value, dict):
        return set(value).union(*(strings(inner) for inner in value.values()), set())
    if isinstance(value, list):
        return set().union(*(strings(inner) for inner in value))
    return {value} if isinstance(value, str) else set()


def canaries(theirs, *known) -> set:
    """What only they have: of all that they read what nobody else reads, and that is long enough to mean it."""
    common = set().union(*(strings(value) for value in known))
    public = json.dumps(known)
    own = strings(theirs) - common
    return {text for text in own if len(text) >= SHORTEST_CANARY and not PLAIN.fullmatch(text) and text not in public}


def rehearse():
    """Fails unless a judge finds what it is there to find."""
    judge = Judge()
    judge.hide("globex", {"Zebulon Quillfeather"})
    json_type, problem = {"content-type": "application/json"}, {"content-type": "application/problem+json"}
    fabricated = [
        ("leak", Answer(200, json_type, b'{"name":"Zebulon Quillfeather"}'), {200}),
        ("leak", Answer(404, problem, b'{"title":"thread panicked at intake/src/menus.rs:12"}'), {404}),
        ("leak", Answer(400, problem, b'{"detail":"arn:aws:sns:eu-west-1:000000000000:pos-local-acme.fifo"}'), {400}),
        ("leak", Answer(302, json_type | {"location": "/Zebulon Quillfeather"}, b""), {302}),
        ("5xx", Answer(500, problem, b'{"title":"Something is wrong on our side"}'), {500}),
        ("5xx", Answer(503, problem, b"{}"), {404}),
        ("unexpected", Answer(200, json_type, b"{}"), {401}),
        ("unexpected", Answer(400, {"content-type": "text/plain"}, b"bad"), {400}),
        ("unexpected", Answer(0, {}, b""), {401}),
    ]
    for kind, answer, allowed in fabricated:
        found = [found for found, _ in judge.wrongs(answer, allowed, "acme", b"")]
        assert kind in found, f"a {kind} goes unseen: {answer}"
    fine = [
        (Answer(200, json_type, b'{"name":"Chiara Abara","id":"01900000-0000-7000-8000-000000000000"}'), "acme", b""),
        (Answer(200, json_type, b'{"name":"Zebulon Quillfeather"}'), "globex", b""),
        (Answer(200, json_type, b'{"name":"Zebulon Quillfeather"}'), "acme", b'{"name":"Zebulon Quillfeather"}'),
    ]
    for answer, caller, sent in fine:
        found = list(judge.wrongs(answer, {200}, caller, sent))
        assert not found, f"what is fine is taken for a fault: {found}"
    return len(fabricated)
