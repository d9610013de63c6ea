"""What schemathesis has to be told besides the description: who may ask, and what a key is made of."""

import json
import os
import secrets
import time
import uuid

import schemathesis

TOKENS = json.loads(os.environ["POS_TOKENS"])
# One call in so many is made by somebody whom its route may not admit, or under whatever key was made up.
ASTRAY = 8


def key() -> str:
    """A UUIDv7 of now."""
    return str(uuid.UUID(int=(time.time_ns() // 1_000_000 << 80) | (7 << 76) | (2 << 62) | secrets.randbits(62)))


@schemathesis.hook
def before_call(context, case, kwargs):
    admitted = case.operation.definition.raw.get("x-roles") or list(TOKENS)
    roles = admitted if secrets.randbelow(ASTRAY) else list(TOKENS)
    case.headers["Authorization"] = f"Bearer {TOKENS[secrets.choice(roles)]}"
    if "Idempotency-Key" in case.headers and secrets.randbelow(ASTRAY):
        case.headers["Idempotency-Key"] = key()
