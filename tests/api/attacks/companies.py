"""Two companies with things of their own that the other must not learn of, and all that one can read of itself."""

import json
import time
from urllib.parse import urlsplit

from attacks.routes import Operation
from attacks.wire import Request, Wire
from conform import token
from keys import key

DECIDED_S = 120
PAGE = 50
ENDS = ("applied", "settled", "booked", "rejected", "refused", "failed", "expired")


class Company:
    def __init__(self, name: str, endpoints: dict, mark: str):
        self.name, self.mark = name, mark
        self.wire = Wire(endpoints["api_url"])
        users = {user["username"]: user for user in endpoints["users"]}
        roles = ["platform", "admin", "manager", "cashier", "employee"]
        self.tokens = {role: token(endpoints, users[f"{name}-{role}"]) for role in roles}
        # What everybody's routes are called with, and what this company alone has.
        self.common = {
            "employees": "100001",
            "badges": "RF100001",
            "concessionaires": "coffee-bar",
            "stations": "coffee-bar-1",
            "users": f"{name}-kitchen-cashier",
            "tenants": name,
            "meals": "MATRIX",
            "cutoffs": "2026-03-15",
            "reconciliations": "2026-03-15",
        }
        self.own = self.common | {
            "employees": f"{mark}777001",
            "badges": f"{mark}RF777001",
            "concessionaires": f"{mark.lower()}-vault",
            "stations": f"{mark}-vault-1",
            "meals": f"{mark}-CAVIAR",
            "users": f"{name}-cashier",
        }
        self.spent_keys = []

    def ask(self, role: str, method: str, path: str, body: dict | None = None, under: str | None = None, wait: int = 5):
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        if method != "GET":
            headers |= {"Idempotency-Key": under or key(), "Prefer": f"wait={wait}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.wire.call(Request(method, path, None if body is None else json.dumps(body).encode(), headers))

    def do(self, role: str, method: str, path: str, body: dict | None = None, under: str | None = None) -> dict:
        """What came of a command that has to be applied."""
        answer = self.ask(role, method, path, body, under)
        deadline = time.monotonic() + DECIDED_S
        place = urlsplit(answer.headers.get("location", ""))
        while answer.json().get("status") in ("pending", "queued") and time.monotonic() < deadline:
            answer = self.ask(role, "GET", f"{place.path}?{place.query}")
        assert answer.json().get("status") in ("applied", "settled", "booked"), (method, path, answer)
        return answer.json()

    def plant(self):
        """Makes what only this company has, each with a name that is found again wherever it turns up."""
        own, mark = self.own, self.mark
        employee, stall = f"/v1/employees/{own['employees']}", f"/v1/concessionaires/{own['concessionaires']}"
        named = {"employee_number": own["employees"], "name": f"{mark} Quillfeather", "credit_limit": 7654321}
        self.do("admin", "POST", "/v1/employees", named)
        self.do("admin", "PUT", f"{employee}/badges/{own['badges']}", {"status": "active"})
        self.do("admin", "PUT", stall, {"name": f"{mark} Vaultkeeper Deli"})
        self.do("admin", "PUT", f"/v1/stations/{own['stations']}", {"concessionaire_id": own["concessionaires"]})
        meal = {"name": f"{mark} Velvet Caviar", "category": f"{mark} delicacies", "price": 4321}
        self.do("manager", "PUT", f"/v1/concessionaires/coffee-bar/meals/{own['meals']}", meal)
        own["bookings"] = key()
        adjusted = {"amount": 7654321, "reason": f"{mark} secret bonus"}
        self.do("admin", "POST", f"{employee}/adjustments", adjusted, own["bookings"])
        own["checkouts"] = self.sell(own["employees"], own["meals"])
        self.common["checkouts"] = self.sell("100001", "COFFEE")
        own["receipts"] = key()
        self.do("admin", "PATCH", employee, {"discount_basis_points": 1234}, own["receipts"])
        hook = {"url": f"https://{mark.lower()}-canary.invalid/hook", "events": ["internal-pos.webhook.tested.v1"]}
        own["webhooks"] = self.do("admin", "POST", "/v1/webhooks", hook)["id"]
        self.do("admin", "POST", f"/v1/webhooks/{own['webhooks']}/test")
        own["deliveries"] = self.delivered(own["webhooks"])
        own["imports"], file = key(), f"employee_number,name\n{mark}777002,{mark} Ottoline Marchbanks\n".encode()
        asked = {"bytes": len(file), "mode": "merge"}
        place = self.ask("admin", "POST", "/v1/employee-imports", asked, own["imports"])
        put(place.json()["upload"], file)
        self.decided(place)
        for kind in ("bookings", "receipts", "imports", "webhooks", "deliveries"):
            self.common[kind] = own[kind]

    def sell(self, employee: str, meal: str) -> str:
        order = {"employee_number": employee, "station": "coffee-bar-1", "items": [{"code": meal, "qty": 1}]}
        return self.do("cashier", "POST", "/v1/checkouts", order)["id"]

    def spend_keys(self, count: int):
        """Keys that commands of this company have used."""
        for _ in range(count):
            self.spent_keys.append(key())
            self.do("admin", "PATCH", f"/v1/employees/{self.own['employees']}", {}, self.spent_keys[-1])

    def delivered(self, webhook: str) -> str:
        deadline = time.monotonic() + DECIDED_S
        while time.monotonic() < deadline:
            tried = self.ask("admin", "GET", f"/v1/webhooks/{webhook}/deliveries").json().get("items")
            if tried:
                return tried[0]["id"]
            time.sleep(0.1)
        raise AssertionError("nothing was delivered")

    def decided(self, place, role: str = "admin") -> dict:
        """What came of a command or a file, once it is known."""
        asked, deadline = urlsplit(place.headers["location"]), time.monotonic() + DECIDED_S
        while time.monotonic() < deadline:
            answer = self.ask(role, "GET", f"{asked.path}?{asked.query}")
            if answer.json().get("status") in ENDS:
                return answer.json()
            time.sleep(0.05)
        raise AssertionError(f"nothing came of {asked.path}: {answer}")

    def readable(self, operations: list) -> dict:
        """All that its administrator can read of it, by path: everything once, lists to their end."""
        read = {}
        reads = [operation for operation in operations if operation.method == "GET" and "admin" in operation.roles]
        for operation in reads:
            for ids in (self.common, self.own):
                path = operation.path(ids)
                if path not in read and path != "/v1/audit":
                    read[path] = self.pages(operation, path)
        return read

    def pages(self, operation: Operation, path: str):
        narrowed = f"?concessionaire_id={self.common['concessionaires']}&limit={PAGE}"
        asked = path + (narrowed if "concessionaire_id" in operation.query else f"?limit={PAGE}")
        if "cursor" not in operation.query:
            answer = self.ask("admin", "GET", path)
            return (answer.status, steady(answer.json() or answer.body.decode(errors="replace")))
        items, cursor = [], ""
        while cursor is not None:
            page = self.ask("admin", "GET", asked + (f"&cursor={cursor}" if cursor else ""))
            items += page.json().get("items", [page.status])
            cursor = page.json().get("next_cursor")
        return steady(items)


def steady(value):
    """Without what differs between two readings of the same: signatures, instants of reading, attempts under way."""
    volatile = ("bad_rows_url", "next_cursor", "attempts", "state", "next_attempt_at", "from", "to")
    if isinstance(value, dict):
        return {name: steady(inner) for name, inner in value.items() if name not in volatile}
    return [steady(inner) for inner in value] if isinstance(value, list) else value


def put(upload: dict, file: bytes, **changes):
    """Puts a file where it was told to be put, or otherwise."""
    told = upload | changes
    place = urlsplit(told["url"])
    headers = dict(told["headers"])
    return Wire(told["url"]).call(Request(told["method"], f"{place.path}?{place.query}", file, headers))
