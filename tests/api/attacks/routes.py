"""Every operation of the description, and a request that it takes, made of the description and of somebody's ids."""

import copy
import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from attacks.wire import Request
from keys import key

# Who calls a route in this order of preference: the first of them that it admits.
CALLERS = ["admin", "manager", "cashier", "employee", "platform"]
# What holds an id: in a path what stands before it, in a query or a body the name of the field.
IDS = {
    "rfid": "badges",
    "employee_number": "employees",
    "station": "stations",
    "code": "meals",
    "concessionaire_id": "concessionaires",
    "username": "users",
    "replaces": "badges",
}
# Bodies of which the description's example would change what others stand on, or would be of no company here.
BODIES = {
    "putCreditPolicy": None,
    "postCutoff": {"date": "9999-12-31", "reason": "because"},
    "putTenant": {
        "name": "Acme Manufacturing",
        "currency": "PHP",
        "time_zone": "Asia/Manila",
        "closing_hour": 0,
        "overdraft_limit": 0,
    },
    "postTenantAdmin": {"username": "nobody.matrix"},
    "postUser": {"username": "acme.matrix", "role": "employee", "employee_number": "100001"},
    "patchUser": {},
    "patchEmployee": {},
    "patchWebhook": {},
    "postEmployee": {"employee_number": "MATRIX-1", "name": "Matrix", "credit_limit": 0},
    "postWebhook": {"url": "https://hooks.invalid/matrix", "events": ["internal-pos.webhook.tested.v1"]},
    "refundCheckout": {"amount": 1, "reason": "because"},
    "adjustWallet": {"amount": 1, "reason": "because"},
    "putMeal": {"name": "Matrix", "price": 1},
    "putStation": {"concessionaire_id": "coffee-bar"},
    "postMenuImport": {"bytes": 1},
    "postEmployeeImport": {"bytes": 1},
}
# Further bodies that a route takes, with ids where the other has none.
BY_NUMBER = {"employee_number": "100001", "station": "coffee-bar-1", "items": [{"code": "COFFEE", "qty": 1}]}
OTHERS = {
    "postCheckout": [BY_NUMBER],
    "quoteCheckout": [BY_NUMBER],
    "refundCheckout": [{"items": [{"code": "COFFEE", "qty": 1}], "reason": "because"}],
    "postUser": [{"username": "acme.matrix-2", "role": "manager", "concessionaire_id": "coffee-bar"}],
    "putBadge": [{"status": "active", "replaces": "RF-MATRIX-1"}],
}
POLICY = {
    "days": ["last"],
    "time": "23:59",
    "method": "raise_to",
    "negative_balance": "carry",
    "default_limit": 0,
    "prorates_joiners": False,
}
BODIES |= {"putCreditPolicy": POLICY, "previewCutoff": {"policy": POLICY}}
# Whoever is suspended or appointed here must be nobody; what is put must not be what others stand on.
NOBODY = {"tenants": "nobody"}
STAND_INS = {
    "suspendTenant": NOBODY,
    "resumeTenant": NOBODY,
    "postTenantAdmin": NOBODY,
    "putConcessionaire": {"concessionaires": "matrix-stall"},
    "putStation": {"stations": "matrix-station"},
    "putBadge": {"badges": "RF-MATRIX"},
    "deleteBadge": {"badges": "RF-MATRIX"},
    "deleteWebhook": {"webhooks": "01900000-0000-7000-8000-000000000000"},
    "resetPassword": {"users": "acme.nobody"},
    "patchUser": {"users": "acme.nobody"},
}
# Without which a list is of nothing.
QUERIES = {"listCheckouts": "?concessionaire_id=coffee-bar"}


@dataclass
class Operation:
    name: str
    method: str
    template: str
    roles: list
    query: list
    headers: list
    schema: dict | None
    example: dict | None

    @property
    def is_command(self) -> bool:
        return "Idempotency-Key" in self.headers

    @property
    def is_platforms(self) -> bool:
        return self.roles == ["platform"]

    @property
    def makes(self) -> bool:
        """Whether it makes what its path or body names."""
        return self.method == "PUT" or self.name in ("postEmployee", "postUser")

    @property
    def caller(self) -> str | None:
        return next((role for role in CALLERS if role in self.roles), None)

    @property
    def path_ids(self) -> list:
        """What kind of id each parameter of the path is, by what stands before it."""
        return re.findall(r"/([a-z-]+)/\{(\w+)\}", self.template)

    def path(self, ids: dict) -> str:
        fill = lambda found: f"/{found[1]}/{quote(ids[found[1]], safe='')}"
        return re.sub(r"/([a-z-]+)/\{(\w+)\}", fill, self.template)

    def body(self) -> dict | None:
        if self.schema is None:
            return None
        return copy.deepcopy(BODIES.get(self.name, self.example))

    def request(self, ids: dict, token: str | None, body: dict | None = None) -> Request:
        path = self.path(ids | STAND_INS.get(self.name, {}))
        return self.at(path + QUERIES.get(self.name, ""), token, body)

    def at(self, path: str, token: str | None, body: dict | None = None) -> Request:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if self.is_command:
            headers |= {"Idempotency-Key": key(), "Prefer": "wait=5"}
        body = self.body() if body is None else body
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Request(self.method, path, None if body is None else json.dumps(body).encode(), headers)


def operations(description: dict) -> list:
    schemas = description["components"]["schemas"]

    def operation(path: str, method: str, told: dict) -> Operation:
        of = lambda place: list(dict.fromkeys(p["name"] for p in told.get("parameters", []) if p["in"] == place))
        content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
        schema = schemas[content["schema"]["$ref"].rsplit("/", 1)[-1]] if content else None
        example = (schema or {}).get("example", {"reason": "because"} if schema else None)
        roles = told.get("x-roles", [])
        return Operation(told["operationId"], method.upper(), path, roles, of("query"), of("header"), schema, example)

    found = [
        operation(path, method, told)
        for path, methods in description["paths"].items()
        for method, told in methods.items()
    ]
    # Whatever only reads goes first, so that nobody finds what another row has just put there.
    return sorted(found, key=lambda operation: (operation.method != "GET", operation.template, operation.method))


def id_fields(body, at=()) -> list:
    """Where in a body ids stand, and of what kind."""
    if isinstance(body, dict):
        here = [((*at, name), IDS[name]) for name, value in body.items() if name in IDS and isinstance(value, str)]
        return here + [found for name, value in body.items() for found in id_fields(value, (*at, name))]
    if isinstance(body, list):
        return [found for index, value in enumerate(body) for found in id_fields(value, (*at, index))]
    return []


def replaced(body, at: tuple, value):
    """The body with another value in one place."""
    body = copy.deepcopy(body)
    place = body
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = value
    return body
