"""What schemathesis has to be told besides the description: who may ask, and what a key is made of."""

import json
import os
import secrets

import schemathesis
from keys import key

TOKENS = json.loads(os.environ["POS_TOKENS"])
# One call in so many is made by somebody whom its route may not admit, or under whatever key was made up.
ASTRAY = 8


@schemathesis.hook
def before_call(context, case, kwargs):
    admitted = case.operation.definition.raw.get("x-roles") or list(TOKENS)
    roles = admitted if secrets.randbelow(ASTRAY) else list(TOKENS)
    case.headers["Authorization"] = f"Bearer {TOKENS[secrets.choice(roles)]}"
    if "/webhooks" in case.path and isinstance(case.body, dict) and "url" in case.body:
        # Nobody is called who happens to have a name that was made up.
        case.body["url"] = "https://hooks.invalid/"
    if "Idempotency-Key" in case.headers and secrets.randbelow(ASTRAY):
        case.headers["Idempotency-Key"] = key()
