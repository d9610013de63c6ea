"""`make conform`: a receiver that is written in another language, with the public library of Standard Webhooks, takes
what a system of its own sends it, and nothing that is not as it was sent.
"""

import argparse
import json
import queue
import signal
import sys
import tempfile
import threading
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from conform import local_system, token
from keys import key
from standardwebhooks import Webhook, WebhookVerificationError

PATIENCE_S = 30


class Receiver(BaseHTTPRequestHandler):
    """Takes every call, and puts it where it is looked at."""

    calls: queue.Queue = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.calls.put((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--local", type=Path, required=True, help="the local system")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="pos-webhooks-") as directory:
        with local_system(arguments.local, directory, "--webhooks-to-loopback") as endpoints:
            return receive(endpoints, f"http://127.0.0.1:{receiver.server_address[1]}/")


def receive(endpoints: dict, url: str) -> int:
    user = next(user for user in endpoints["users"] if user["username"] == "acme-admin")
    asks = Asks(endpoints["api_url"], token(endpoints, user))
    made = asks.command("/v1/webhooks", {"url": url, "events": ["internal-pos.webhook.tested.v1"]})
    secrets = [made["webhook_secret"]]
    for _ in range(2):
        asks.command(f"/v1/webhooks/{made['id']}/test", None)
        body, headers = Receiver.calls.get(timeout=PATIENCE_S)
        # Both secrets are good after a rotation.
        for secret in secrets:
            event = Webhook(secret).verify(body, headers)
            assert event["type"] == "internal-pos.webhook.tested.v1" and event["id"] == headers["webhook-id"], event
            assert headers["content-type"] == "application/cloudevents+json", headers
        others = [
            (body.replace(b"tested", b"TESTED"), headers),
            (body, headers | {"webhook-id": str(uuid.uuid4())}),
            (body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
        ]
        for other, altered in others:
            try:
                Webhook(secrets[0]).verify(other, altered)
            except WebhookVerificationError:
                continue
            raise AssertionError("what was altered is taken for what was sent")
        if len(secrets) == 1:
            rotated = asks.command(f"/v1/webhooks/{made['id']}/secret-rotation", None)
            secrets.append(rotated["webhook_secret"])
    print(f"webhooks: standardwebhooks verified what was sent under {len(secrets)} secrets, and nothing altered")
    return 0


class Asks:
    def __init__(self, api_url: str, bearer: str):
        self.api_url, self.bearer = api_url, bearer

    def command(self, path: str, body: dict | None) -> dict:
        """The receipt of a command that was applied."""
        headers = {"Authorization": f"Bearer {self.bearer}", "Idempotency-Key": key(), "Prefer": "wait=5"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api_url + path, data, headers, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            receipt = json.load(answer)
        assert receipt["status"] == "applied", receipt
        return receipt


if __name__ == "__main__":
    sys.exit(main())
