"""An emulated AWS on a loopback port, for as long as a `with` block lasts.

It refuses what the role of whoever calls does not grant (AUTH).
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

REGION = "eu-west-1"
# APIs have names below it.
API_HOST = "localhost"
ACCOUNT_ID = "000000000000"
START_S = 60
STOP_S = 10


class Cloud:
    def __init__(self, directory: Path):
        self.directory = directory
        self.log_path = directory / "cloud.log"
        self.port = free_port()
        self.endpoint_url = f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """What makes an AWS client speak to this cloud and to no other."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
        }

    def __enter__(self) -> "Cloud":
        settings = {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": API_HOST,
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # No container is ever started.
            "DOCKER_HOST": "unix:///nonexistent",
            "TMPDIR": str(self.directory),
            "S3_DATA_DIR": str(self.directory / "s3"),
        }
        self.log = self.log_path.open("wb")
        # Functions take their endpoint from their template, not from here.
        environment = {name: value for name, value in self.environment().items() if name != "AWS_ENDPOINT_URL"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=environment | settings,
            cwd=self.directory,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            # Functions run in processes of their own: a group that ends together.
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                tail = self.log_path.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the emulated cloud did not start:\n{tail}")
            time.sleep(0.2)

    def __exit__(self, *_) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
            except ProcessLookupError:
                break
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                continue
        self.log.close()

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
