"""Requests that are wrong on purpose: a documented answer, nothing changed, no fault of ours, no limit evaded."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlmodel import func, select

from control_plane.personas.models import Persona
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
CODES = {
    400: "INVALID_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "INVALID_REQUEST",
    409: "CONFLICT",
    413: "INVALID_REQUEST",
    415: "INVALID_REQUEST",
}
LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


def check(answer: httpx2.Response, status: int, asked: str = "") -> str:
    """Whether an answer is the documented error; what it says."""
    assert answer.status_code == status, (asked, answer.text)
    body = answer.json()
    assert set(body) <= {"error", "code", "details"}
    assert body["code"] == CODES[status]
    assert all(name in answer.headers for name in LIMIT_HEADERS)
    return str(body)


async def agents(platform: Platform) -> int:
    """How many agents there are."""
    async with platform.database.platform() as db:
        return (await db.exec(select(func.count()).select_from(Persona))).one()


BODIES = {
    "no JSON": b"{",
    "JSON with something after it": b'{"name": "x"} {}',
    "a list": b"[]",
    "a string": b'"name"',
    "null": b"null",
    "a key twice": b'{"name": "x", "name": "y"}',
    "a key twice, deep": b'{"name": "x", "turn_taking": {"detection": "vad", "detection": "vad"}}',
    "NaN": b'{"name": "x", "temperature": NaN}',
    "infinity": b'{"name": "x", "temperature": -Infinity}',
    "a number beyond floats": b'{"name": "x", "temperature": 1e999}',
    "a number of ten thousand digits": b'{"name": "x", "max_call_duration": ' + b"9" * 10_000 + b"}",
    "a number beyond 64 bits": b'{"name": "x", "knowledge_base_ids": [18446744073709551616]}',
    "a number as text": b'{"name": "x", "max_call_duration": "60"}',
    "truth as a number": b'{"name": "x", "is_active": 1}',
    "a number as truth": b'{"name": "x", "max_call_duration": true}',
    "NUL": b'{"name": "x\\u0000y"}',
    "a lone surrogate": b'{"name": "x\\ud800"}',
    "bytes that are no UTF-8": b'{"name": "\xff\xfe"}',
    "brackets a hundred thousand deep": b'{"name": "x", "voicemail": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "free JSON a hundred deep": b'{"name": "x", "voicemail": ' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
    "null for what has a type": b'{"name": null}',
    "a missing field": b"{}",
    "nothing": b"",
    "blanks for a name": b'{"name": "   "}',
}


async def test_a_body_that_cannot_be_meant_is_refused_and_makes_nothing(platform: Platform) -> None:
    tenant = await platform.tenant()
    for name, body in BODIES.items():
        check(await tenant.http.post("/agents", content=body, headers=JSON), 400, name)
    assert await agents(platform) == 0


async def test_a_body_of_another_kind_is_refused_and_told_which_kind_is_read(platform: Platform) -> None:
    tenant = await platform.tenant()
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense", ""):
        answer = await tenant.http.post("/agents", content=b'{"name": "x"}', headers={"Content-Type": kind})
        assert "application/json" in check(answer, 400, kind)
    assert await agents(platform) == 0


async def test_a_body_that_would_be_read_wrongly_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    for headers in (
        {"Content-Encoding": "gzip"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": 'application/json; x=y; Charset="UTF-16"'},
    ):
        check(await tenant.http.post("/agents", content=b'{"name": "x"}', headers=JSON | headers), 415)
    for kind in ("application/json;charset=utf-8", 'application/json; charset="UTF-8"'):
        good = {"Content-Type": kind, "Content-Encoding": "identity"}
        made = await tenant.http.post("/agents", content=b'{"name": "x"}', headers=good)
        assert made.status_code == 201


async def test_a_body_over_the_limit_is_refused_whatever_its_length_header_says(platform: Platform) -> None:
    tenant = await platform.tenant()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 32_768

    for path in ("/agents", "/rooms/r/recordings/stop", "/knowledge/search"):
        check(await tenant.http.post(path, content=b" " * (1024 * 1024 + 1), headers=JSON), 413, path)
        check(await tenant.http.post(path, content=pieces(), headers=JSON), 413, path)
    assert await agents(platform) == 0


def first(answer: httpx2.Response) -> tuple[str, str]:
    field = answer.json()["details"]["fields"][0]
    return field["field"], field["problem"]


async def test_problems_are_told_in_words_of_ones_own_at_the_field_that_has_them(platform: Platform) -> None:
    tenant = await platform.tenant()
    tool = {"type": "ftp", "name": "x"}
    for path, body, field, problem in (
        ("/agents", {}, "name", "is required"),
        ("/agents", {"name": ""}, "name", "must have at least 1 character"),
        ("/agents", {"name": "x", "tools": [tool]}, "tools.0.type", "must be one of builtin, http, mcp"),
        ("/agents", {"name": "x", "tools": [{"name": "x"}]}, "tools.0.type", "is required"),
        ("/agents", {"name": "x", "is_active": 1}, "is_active", "must be a valid boolean"),
        ("/api-keys", {"label": "x", "scopes": []}, "scopes", "must have at least 1 item"),
        ("/token", {"identity": "a", "room": "r", "grants": {"hidden": True}}, "grants.hidden", "must be false"),
        ("/token", {"identity": "sip_a", "room": "r"}, "identity", "must not begin with"),
        ("/knowledge/search", {"knowledge_base_id": 1}, "query", "is required"),
        ("/knowledge-bases/1/documents", {}, "file", "is required, as a part of multipart/form-data"),
    ):
        answer = await tenant.http.post(path, json=body)
        check(answer, 400, path)
        named, said = first(answer)
        assert (named, said[: len(problem)]) == (field, problem)
    shown = (await tenant.http.get("/agents/x")).json()["details"]["fields"][0]
    assert shown == {"field": "agent_id", "problem": "must be a number from 1 up"}


async def test_numbers_with_fractions_and_days_are_understood(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/sessions", json={"room_name": "r"})
    line = {"speaker": "user", "content": "x", "timestamp_ms": 1200.6}
    said = await tenant.http.post("/sessions/r/transcript", json=line)
    assert said.json()["transcript"]["timestamp_ms"] == 1201
    for wrong in (-0.2, 1e7 + 0.2):
        check(await tenant.http.post("/sessions/r/end", json={"duration": wrong}), 400)
    assert (await tenant.http.post("/sessions/r/end", json={"duration": 3.4})).json()["session"]["duration"] == 3
    for given, kept in (("2099-11-21", "2099-11-21T00:00:00Z"), ("2099-11-21T10:00:00", "2099-11-21T10:00:00Z")):
        made = await tenant.http.post("/api-keys", json={"label": "x", "expires_at": given})
        assert made.json()["api_key"]["expires_at"] == kept


async def test_a_file_over_the_limit_is_named(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = (await tenant.http.post("/knowledge-bases", json={"name": "x"})).json()["knowledge_base"]["id"]
    for size in (10 * 1024 * 1024 + 1, 11 * 1024 * 1024):
        answer = await tenant.http.post(f"/knowledge-bases/{base}/documents", files={"file": ("a.txt", b"x" * size)})
        check(answer, 413)
        assert first(answer) == ("file", "is over 10 MiB")


async def test_a_query_that_nobody_would_read_names_its_field(platform: Platform) -> None:
    tenant = await platform.tenant()
    for path, field in (
        ("/sessions?per_page=0", "per_page"),
        ("/sessions?per_page=101", "per_page"),
        ("/sessions?page=0", "page"),
        ("/sessions?page=-1", "page"),
        ("/sessions?page=1.5", "page"),
        ("/sessions?page=99999999999999999999", "page"),
        ("/sessions?page=1&page=2", "page"),
        ("/sessions?stauts=completed", "stauts"),
        ("/sessions?status=over", "status"),
        ("/sessions?from=yesterday", "from"),
        ("/sessions?from=1700000000", "from"),
        ("/sessions?from=0001-01-01T00:00:00%2B23:59", "from"),
        ("/sessions?agent_config_id=0", "agent_config_id"),
        ("/agents?page=1", "page"),
        ("/usage?period=1y", "period"),
        ("/recordings?room_name=%00", "room_name"),
    ):
        assert field in check(await tenant.http.get(path), 400, path)


async def test_a_query_field_that_there_is_not_is_told_those_there_are(platform: Platform) -> None:
    tenant = await platform.tenant()
    assert "known are after_id, before_id, end_user_id, page, per_page, scenario_id, status" in check(
        await tenant.http.get("/meetings?limit=3"), 400
    )
    assert "there are none here" in check(await tenant.http.get("/quota?limit=3"), 400)


async def test_an_id_that_is_none_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    for number in ("0", "-1", "1.0", "abc", "99999999999999999999", "%00", "1%00", "٣", "0x1", "1e3", "%20"):
        check(await tenant.http.get(f"/agents/{number}"), 400, number)
        check(await tenant.http.delete(f"/agents/{number}"), 400, number)


async def test_a_room_name_that_is_none_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    for name in ("%00", "a%00b", "a%20b", "%ED%A0%80", "%FF", "a" * 129, "<script>"):
        check(await tenant.http.get(f"/rooms/{name}"), 400, name)
        check(await tenant.http.delete(f"/rooms/{name}"), 400, name)


async def test_two_slashes_are_not_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    for path in ("/api/v1//agents", "//api/v1/agents", "/api/v1/agents//1", "/api//v1/agents"):
        status, body = await raw(platform, f"GET {path} HTTP/1.1", f"X-API-Key: {tenant.key}")
        assert (status, json.loads(body)["code"]) == (404, "NOT_FOUND"), path


async def test_two_keys_in_one_request_open_nothing(platform: Platform) -> None:
    first, second = await platform.tenant("first"), await platform.tenant("second")
    keys = [("X-API-Key", first.key), ("X-API-Key", second.key)]
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as client:
        check(await client.get("/agents", headers=keys), 401)
        assert (await client.get("/agents", headers=[keys[0], keys[0]])).status_code == 200, "that is one key"


async def test_two_idempotency_keys_are_refused_and_nothing_is_done(platform: Platform) -> None:
    tenant = await platform.tenant()
    for keys in (["a", "b"], [""], ["x" * 256], ["é"]):
        headers = [("Idempotency-Key", key.encode()) for key in keys]
        check(await tenant.http.post("/agents", json={"name": "x"}, headers=headers), 400)
    assert await agents(platform) == 0


async def test_a_method_is_not_overridden_by_a_header_or_a_field(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/agents", json={"name": "x"})).json()["agent"]
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        read = await tenant.http.get(f"/agents/{made['id']}", headers={header: "DELETE"})
        assert read.status_code == 200
        check(await tenant.http.post(f"/agents/{made['id']}", json={}, headers={header: "DELETE"}), 405, header)
    check(await tenant.http.get(f"/agents/{made['id']}?_method=DELETE"), 400)
    assert await agents(platform) == 1


async def test_a_method_that_is_not_there_changes_nothing(platform: Platform) -> None:
    tenant = await platform.tenant()
    for method in ("TRACE", "PROPFIND", "OPTIONS", "PUT", "PURGE"):
        check(await tenant.http.request(method, "/agents", json={"name": "x"}), 405, method)
    assert await agents(platform) == 0


async def test_a_key_is_read_from_its_header_only(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as client:
        for options in (
            {"params": {"api_key": tenant.key}},
            {"params": {"X-API-Key": tenant.key}},
            {"headers": {"Cookie": f"X-API-Key={tenant.key}"}},
            {"headers": {"Authorization": f"Bearer {tenant.key}"}},
            {"headers": {"X-API-Key": f"{tenant.key} {tenant.key}"}},
        ):
            check(await client.get("/agents", **options), 401)  # type: ignore[arg-type]


async def test_wrong_requests_count_like_right_ones(platform: Platform) -> None:
    tenant = await platform.tenant(rate=8)
    wrong = ["/agents/", "/agents/0", "/nowhere", "/agents?x=1", "//agents", "/agents/%00", "/sessions?page=0"]
    left = [int((await tenant.http.get(path)).headers["x-ratelimit-remaining"]) for path in wrong]
    assert left == list(range(7, 0, -1))
    assert (await tenant.http.head("/agents")).headers["x-ratelimit-remaining"] == "0"
    refused = await tenant.http.get("/agents")
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
    spelt = {"x-api-key": tenant.key.upper(), "X-API-KEY": tenant.key}
    for name in spelt:
        async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as client:
            assert (await client.get("/agents", headers={name: tenant.key})).status_code == 429


HARDLY_HTTP = (
    "GET /api/v1/agents HTTP/9.9",
    "GET /api/v1/agents HTTP/1.1\r\nContent-Length: x",
    "POST /api/v1/agents HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    "GET /api/v1/agents\x00 HTTP/1.1",
    "GET http://[ HTTP/1.1",
    f"GET /api/v1/agents HTTP/1.1\r\nX-API-Key: {'k' * 70_000}",
    f"GET /api/v1/{'a' * 70_000} HTTP/1.1",
)


async def test_what_is_hardly_http_is_no_fault_of_ours(platform: Platform) -> None:
    tenant = await platform.tenant()
    for said in HARDLY_HTTP:
        status, _ = await raw(platform, said)
        assert status is None or 400 <= status < 500, said[:80]
        assert (await tenant.http.get("/agents")).status_code == 200


async def raw(platform: Platform, *lines: str) -> tuple[int | None, bytes]:
    """Say something to the server byte for byte; status and body of its answer, None where it hung up."""
    host, _, port = platform.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write("\r\n".join([*lines, "Host: parley", "Connection: close", "", ""]).encode("latin-1"))
        async with asyncio.timeout(60):
            answer = await reader.read()
    except (ConnectionError, TimeoutError):
        return None, b""
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (None, b"")


async def insist(tenant: Tenant, body: bytes) -> httpx2.Response:
    """Try again where the server says so: here it shares its loop with all the clients."""
    while (answer := await tenant.http.post("/agents", content=body, headers=JSON)).status_code == 503:
        await asyncio.sleep(int(answer.headers["Retry-After"]))
    return answer


async def test_a_hundred_wrong_requests_at_once_leave_the_right_ones_alone(platform: Platform) -> None:
    tenant: Tenant = await platform.tenant()
    wrong = [insist(tenant, body) for body in list(BODIES.values()) * 4]
    right = [insist(tenant, json.dumps({"name": f"agent {number}"}).encode()) for number in range(10)]
    answers = await asyncio.gather(*wrong, *right)
    assert {answer.status_code for answer in answers[: len(wrong)]} == {400}
    assert {answer.status_code for answer in answers[len(wrong) :]} == {201}
    assert await agents(platform) == 10
