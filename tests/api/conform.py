"""`make conform`: calls every route of a system of its own with whatever its description allows, and with
what it does not, and fails on a 5xx or on an answer that the description does not have.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROLES = ["platform", "admin", "manager", "cashier", "employee"]
START_S = 60
RUN_S = 900
# What one request may take where the machine is busy.
ANSWER_S = 60
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, required=True, help="the local system")
    parser.add_argument("--schemathesis", type=Path, required=True)
    parser.add_argument("--examples", type=int, default=25, help="cases made up for each route and phase")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="pos-conform-") as directory:
        with local_system(arguments.local, directory) as endpoints:
            return conform(arguments, endpoints, directory)


@contextmanager
def local_system(local: Path, directory: str, *options: str, ports: tuple[str, str, str] = ("0", "0", "0")):
    """A system of one's own, by its endpoints."""
    api, aws, table = ports
    ports = ["--api-port", api, "--aws-port", aws, "--dynamodb-port", table]
    log = (Path(directory) / "log").open("w")
    system = subprocess.Popen([local, "--dir", directory, *ports, *options], stdout=log, stderr=log)
    try:
        yield started(system, Path(directory) / "endpoints.json")
    finally:
        system.kill()
        system.wait()


def started(system: subprocess.Popen, path: Path) -> dict:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and system.poll() is None:
        if path.exists():
            return json.loads(path.read_text())
        time.sleep(0.1)
    raise SystemExit("the local system did not start")


def conform(arguments: argparse.Namespace, endpoints: dict, directory: str) -> int:
    tokens = {user["role"]: token(endpoints, user) for user in endpoints["users"] if is_acmes(user)}
    hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "PYTHONPATH": str(HERE)}
    environment = os.environ | hooks | {"POS_TOKENS": json.dumps(tokens)}
    command = [arguments.schemathesis.absolute(), "run", f"{endpoints['api_url']}/v1/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing", "--continue-on-failure"]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    # One thread: CPython before 3.12 loses count when two parse (gh-106905), and a draw is to be repeatable.
    command += ["--workers", "1", "--request-timeout", str(ANSWER_S)]
    command += ["--warnings", "off", "--no-color", "--suppress-health-check", "all"]
    return subprocess.run(command, env=environment, cwd=directory, timeout=RUN_S, check=False).returncode


def is_acmes(user: dict) -> bool:
    return user["username"] in [f"acme-{role}" for role in ROLES]


def token(endpoints: dict, user: dict) -> str:
    return initiate_auth(endpoints, user)["IdToken"]


def initiate_auth(endpoints: dict, user: dict) -> dict:
    asked = {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": endpoints["client_id"],
        "AuthParameters": {"USERNAME": user["username"], "PASSWORD": user["password"]},
    }
    request = urllib.request.Request(
        endpoints["aws_endpoint_url"],
        json.dumps(asked).encode(),
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
        },
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["AuthenticationResult"]


if __name__ == "__main__":
    sys.exit(main())
