"""A proxy in front of AWS services that breaks calls in every way in which a wire does, in AWS's own words."""

import json
import subprocess
import time
import urllib.request
from pathlib import Path

START_S = 30
STOP_S = 10
# Out for so long at a time.
OUTAGE_S = 4
# An attempt of the system's gives up after 2 s: what is later than that is done, and done again.
LATE_MS = 2_500
ITEMS_MAX = 25


def error(code: str, status: int) -> dict:
    return {"error": {"code": code, "status": status, "message": "made up on the wire"}}


CUT = {"reset": True}
LOST = {"response": {"abort_bytes": 0}}
HALVED = {"response": {"abort_frac": 0.5}}

# In how many of a thousand calls what happens instead, whatever the service is.
ANYWHERE = {
    "unavailable": (10, error("ServiceUnavailable", 503)),
    "slow": (20, {"latency": {"min": 50, "max": 500}}),
    "late": (3, {"latency": LATE_MS}),
    "cut": (10, CUT),
    "reply lost": (20, LOST),
    "reply halved": (10, HALVED),
}
FAULTS = {
    "dynamodb": {
        "throttled": (10, error("ThrottlingException", 400)),
        "over its throughput": (10, error("ProvisionedThroughputExceededException", 400)),
        "internal error": (10, error("InternalServerError", 500)),
    }
    | ANYWHERE,
    "sns": {
        "throttled": (10, error("ThrottledException", 429)),
        "internal error": (10, error("InternalError", 500)),
    }
    | ANYWHERE,
    # Seldom asked: functions only let go of messages that they hand back. It is Lambda that receives and deletes.
    "sqs": {
        "throttled": (100, error("ThrottlingException", 400)),
        "internal error": (100, error("InternalError", 500)),
        "cut": (100, CUT),
        "reply lost": (100, LOST),
    },
}


def conflicts() -> list[dict]:
    """A transaction that met another: the answer names a reason for each of its items."""
    return [
        {
            "service": "dynamodb",
            "operation": "TransactWriteItems",
            "body": f"length(TransactItems) == `{items}`",
            "probability": 0.02,
            "error": {
                "code": "TransactionCanceledException",
                "status": 400,
                "message": "made up on the wire",
                "fields": {"CancellationReasons": [{"Code": "TransactionConflict"}] + [{"Code": "None"}] * (items - 1)},
            },
        }
        for items in range(1, ITEMS_MAX + 1)
    ]


class Wire:
    """The proxy, while its `with` block lasts: at first it lets everything through.

    A signature is of the host that was called. Where it is looked at, the proxy signs anew, as whoever `environment`
    names: what each role grants is for `make deploy-test` to see.
    """

    def __init__(self, microburst: Path, port: int, upstream: str, directory: Path, environment: dict | None = None):
        self.url = f"http://127.0.0.1:{port}"
        self.command = [microburst.absolute(), "--upstream", upstream, "--port", str(port)]
        self.command.append("--resign" if environment else "--no-resign")
        self.environment = environment
        self.log_path = directory / f"wire-{port}.log"
        self.names: list[tuple[str, str]] = []

    def __enter__(self) -> "Wire":
        self.log = self.log_path.open("wb")
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=subprocess.STDOUT, env=self.environment)
        deadline = time.monotonic() + START_S
        while True:
            try:
                self._control("GET", "health")
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise SystemExit(f"the proxy did not start: {self.log_path.read_text()[-2000:]}") from None
                time.sleep(0.1)

    def __exit__(self, *_) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def make_trouble(self, services: list[str]) -> None:
        """From now on each of these services' faults happens now and then."""
        rules, self.names = [], []
        for service in services:
            for name, (per_mille, rule) in FAULTS[service].items():
                rules.append(rule | {"service": service, "probability": per_mille / 1000})
                self.names.append((service, name))
        if "dynamodb" in services:
            rules += conflicts()
            self.names += [("dynamodb", "conflict")] * ITEMS_MAX
        self._control("POST", "rules", rules)

    def put_out(self, service: str) -> None:
        """Nothing of a service answers for a while."""
        self._control(
            "PATCH", "rules", [error("ServiceUnavailable", 503) | {"service": service, "ttl_s": OUTAGE_S}]
        )
        self.names.append((service, "out"))

    def happened(self) -> dict[tuple[str, str], int]:
        """How often each fault did."""
        counts = dict.fromkeys(self.names, 0)
        for name, rule in zip(self.names, self._control("GET", "rules"), strict=True):
            counts[name] += rule["fired_count"]
        return counts

    def calls(self) -> int:
        return self._control("GET", "health")["requests_seen"]

    def _control(self, method: str, path: str, body: list | None = None):
        request = urllib.request.Request(
            f"{self.url}/_microburst/{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)
