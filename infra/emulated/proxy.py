"""Ports in front of the emulated cloud: one that is the API's own, and one that remembers who calls what."""

import http.client
import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cloud import API_HOST

TIMEOUT_S = 60
# Of one connection, not of what is beyond it.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Proxy:
    """Forwards to the cloud while its `with` block lasts."""

    def __init__(self, endpoint_url: str):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.proxy = self
        self.cloud = urlsplit(endpoint_url).netloc
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    def host(self, host: str) -> str:
        """What the cloud is called in place of `host`."""
        return host

    def see(self, method: str, path: str, headers, body: bytes) -> None:
        """Looks at a request on its way."""


class ApiGateway(Proxy):
    """A port of the API's own. On AWS it has a host name of its own, by which the emulator tells APIs apart
    too; such a name resolves nowhere, so requests get it here.
    """

    def __init__(self, api_url: str, endpoint_url: str):
        super().__init__(endpoint_url)
        api = urlsplit(api_url)
        self.name = f"{api.hostname.split('.')[0]}.execute-api.{API_HOST}"
        self.api_url = f"{self.url}{api.path}"

    def host(self, host: str) -> str:
        return self.name


class Recorder(Proxy):
    """Remembers the actions that each function asks for; a function names itself in its user agent."""

    # A transaction is granted as what it does to each item.
    OBJECT_ACTIONS = {"HEAD": "GetObject", "GET": "GetObject", "PUT": "PutObject"}
    ITEM_ACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}

    def __init__(self, endpoint_url: str, signer: str):
        super().__init__(endpoint_url)
        # Who signs requests that anybody sends.
        self.signer = signer
        self.seen: dict[str, set[str]] = {}

    def see(self, method: str, path: str, headers, body: bytes) -> None:
        if "X-Amz-Signature=" in path:
            self._note(self.signer, [f"s3:{self.OBJECT_ACTIONS[method]}"])
            return
        function = re.search(r"\bapp/([\w-]+)", headers.get("User-Agent", ""))
        service = re.search(r"/([a-z0-9-]+)/aws4_request", headers.get("Authorization", ""))
        if function and service:
            if service[1] == "s3":
                names = [self.OBJECT_ACTIONS[method]]
            elif service[1] == "execute-api":
                names = ["ManageConnections"]
            else:
                names = self._asked(headers.get("X-Amz-Target"), body)
            self._note(function[1], [f"{service[1]}:{name}" for name in names])

    def _note(self, function: str, actions: list[str]) -> None:
        self.seen.setdefault(function, set()).update(actions)

    def _asked(self, target: str | None, body: bytes) -> list[str]:
        if target is None:
            return parse_qs(body.decode())["Action"]
        operation = target.rsplit(".", 1)[-1]
        if operation == "TransactWriteItems":
            return [self.ITEM_ACTIONS[kind] for item in json.loads(body)["TransactItems"] for kind in item]
        return [operation]


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # The other side was faster.
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        proxy = self.server.proxy
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.tunnel(proxy)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        proxy.see(self.command, self.path, self.headers, body)
        sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        sent["Host"] = proxy.host(self.headers["Host"])
        connection = http.client.HTTPConnection(proxy.cloud, timeout=TIMEOUT_S)
        try:
            connection.request(self.command, self.path, body, sent)
            answer = connection.getresponse()
            payload = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            if self.command == "HEAD":
                self.send_header("Content-Length", answer.getheader("Content-Length", "0"))
            elif answer.status != 304:
                self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
        finally:
            connection.close()

    def tunnel(self, proxy: Proxy) -> None:
        """Passes a socket through, byte by byte, until either side ends it."""
        self.close_connection = True
        host, port = proxy.cloud.split(":")
        with socket.create_connection((host, int(port))) as beyond:
            lines = [self.requestline, f"Host: {proxy.host(self.headers['Host'])}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() != "host"]
            beyond.sendall("\r\n".join([*lines, "", ""]).encode())
            back = threading.Thread(target=pump, args=(beyond, self.connection), daemon=True)
            back.start()
            pump(self.connection, beyond)
            back.join()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def log_message(self, *_) -> None:
        """Says nothing: the suite and the cloud do."""
