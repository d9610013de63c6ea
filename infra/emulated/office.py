"""What an administrator of a tenant sees where somebody reaches behind the API: into the pool, or at the clock."""

import json
import secrets
import time
import urllib.request
import uuid

from cloud import ACCOUNT_ID, REGION
from stacks import DeployError

# infra/local/src/demo.rs
DEMO_PASSWORD = "correct-horse-battery"
WAIT_S = 300
LOOK_AGAIN_S = 0.5


class Office:
    def __init__(self, api_url: str, stacks, stage: str, tenant: str):
        self.api_url, self.stacks, self.stage, self.tenant = api_url, stacks, stage, tenant
        self.outputs = stacks.outputs(f"pos-{stage}")
        self.cognito = stacks.client("cognito-idp")
        signed_in = self.cognito.initiate_auth(
            ClientId=self.outputs["UserPoolClientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": f"{tenant}-admin", "PASSWORD": DEMO_PASSWORD},
        )
        self.token = signed_in["AuthenticationResult"]["IdToken"]

    def leaves_no_orphan(self) -> None:
        """A worker that died after it made a user, before the table knew: the refused command takes the user away."""
        pool, orphan = self.outputs["UserPoolId"], f"{self.tenant}.orphan"
        attributes = [{"Name": "custom:tenant_id", "Value": self.tenant}]
        self.cognito.admin_create_user(UserPoolId=pool, Username=orphan, UserAttributes=attributes)
        self._call("POST", "/v1/users", {"username": orphan, "role": "employee", "employee_number": "999999"})

        def is_gone() -> bool:
            try:
                self.cognito.admin_get_user(UserPoolId=pool, Username=orphan)
            except self.cognito.exceptions.UserNotFoundException:
                return True
            return False

        self._wait("an orphan of the pool to go", is_gone)
        print("a user of the pool that no command made is taken away")

    def replenishes_by_schedule(self) -> None:
        """A cutoff becomes due, and the schedule fires: twice the same, and once more."""
        self._make_due()
        for scheduled in ("2026-03-15T06:00:00Z", "2026-03-15T06:00:00Z", "2026-03-15T07:00:00Z"):
            self.stacks.fire(f"pos-{self.stage}-{self.tenant}-tick", scheduled)
        cutoffs = []

        def is_closed() -> bool:
            cutoffs[:] = self._call("GET", "/v1/cutoffs")["items"]
            return bool(cutoffs) and cutoffs[0]["status"] == "closed"

        self._wait("the cutoff to close", is_closed)
        totals = cutoffs[0]["totals"]
        counted = totals["booked"] + sum(totals["skipped"].values())
        if len(cutoffs) != 1 or totals["missing"] or counted != cutoffs[0]["expected"]:
            raise DeployError(f"the schedule led to {cutoffs}")
        differences, cursor = 0, ""
        while cursor is not None:
            page = self._call("GET", f"/v1/reports/credit?limit=100{cursor}")
            differences = page["totals"]["differences"]
            cursor = f"&cursor={page['next_cursor']}" if "next_cursor" in page else None
        if differences:
            raise DeployError(f"{differences} wallets are not explained by their movements")
        print(f"the schedule fires, and {counted} employees are replenished once: {totals['granted']} granted")

    def reconciles_by_schedule(self) -> None:
        """A look at all wallets after all that, once a day however often the schedule fires: it finds nothing."""
        for scheduled in ("2026-03-15T06:30:00Z", "2026-03-15T06:30:00Z", "2026-03-15T07:30:00Z"):
            self.stacks.fire(f"pos-{self.stage}-{self.tenant}-reconcile", scheduled)
        runs = []

        def is_closed() -> bool:
            runs[:] = self._call("GET", "/v1/reconciliations")["items"]
            return bool(runs) and runs[0]["status"] == "closed"

        self._wait("the reconciliation to close", is_closed)
        if len(runs) != 1 or runs[0]["finding_count"] or runs[0]["employees"] != runs[0]["expected"]:
            found = self._call("GET", f"/v1/reconciliations/{runs[0]['date']}")
            raise DeployError(f"the schedule led to {len(runs)} reconciliations, the first of them {found}")
        employees, movements = runs[0]["employees"], runs[0]["movements"]
        print(f"the schedule fires, and {employees} wallets agree with their {movements} movements")

    def takes_what_is_dropped(self) -> None:
        """Files that are put past the API come by their tenant's rules, and one under another prefix by no rule."""
        bucket = f"pos-{self.stage}-{ACCOUNT_ID}-{REGION}-files"
        files = {
            "menus/kitchen/nightly.csv": b"name,price\nSoup of the night,55\n",
            "employees/nightly.csv": b"number,name\nNIGHT-1,Nora Night\n",
            "elsewhere/nightly.csv": b"name,price\nNobody's soup,55\n",
        }
        for name, file in files.items():
            options = {"mode": "merge", "strictness": "lenient"}
            key = f"{self.tenant}/{name}"
            self.stacks.client("s3").put_object(
                Bucket=bucket, Key=key, Body=file, ContentType="text/csv", Metadata=options
            )
        dropped = []

        def are_decided() -> bool:
            imports = self._call("GET", "/v1/imports?limit=50")["items"]
            dropped[:] = [found for found in imports if "by" not in found and "effect" in found]
            return len(dropped) == 2

        self._wait("dropped files to be taken", are_decided)
        if {found["status"] for found in dropped} != {"applied"}:
            raise DeployError(f"what was dropped led to {dropped}")
        print(f"files that are dropped are taken: {[found['effect'] for found in dropped]}")

    def _make_due(self) -> None:
        """As if the policy had been set long ago."""
        self.stacks.client("dynamodb").update_item(
            TableName=f"pos-{self.stage}",
            Key={"PK": {"S": f"T#{self.tenant}"}, "SK": {"S": "POLICY"}},
            UpdateExpression="SET si = :long_ago",
            ConditionExpression="attribute_exists(PK)",
            ExpressionAttributeValues={":long_ago": {"N": "0"}},
        )

    def _call(self, method: str, path: str, body: dict | None = None) -> dict:
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            # A UUIDv7 of now.
            key = uuid.UUID(int=(time.time_ns() // 1_000_000 << 80) | (7 << 76) | (2 << 62) | secrets.randbits(62))
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(key)}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api_url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def _wait(self, what: str, condition) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline:
                raise DeployError(f"{WAIT_S} s were not enough for {what}")
            time.sleep(LOOK_AGAIN_S)
