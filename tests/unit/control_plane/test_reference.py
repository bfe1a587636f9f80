"""What the API says of itself: the OpenAPI document and the Postman collection agree with the routes and each other."""

import base64
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI
from starlette.routing import Match

from control_plane.api import MEETING_BAAS, VIDEOSDK
from control_plane.app import create_app
from control_plane.errors import PlatformError
from control_plane.gate.operation import Operation
from control_plane.reference.answers import ERRORS
from control_plane.reference.collection import collect
from control_plane.reference.document import describe, operations, schema_of
from control_plane.settings import Settings
from control_plane.wire import SIGNED, SURFACES

Json = dict[str, Any]

BESIDES = {"MethodNotAllowed"}
"""Errors that no operation gives: of the frame around them."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    settings = Settings(
        environment="development",
        database_url="postgresql://nobody@127.0.0.1:1/none",
        livekit_api_key="devkey",
        livekit_api_secret="devsecret-devsecret-devsecret-devsecret",
        secret_key=base64.b64encode(bytes(32)).decode(),
        worker_token="a worker's token",
    )
    return create_app(settings)


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Json:
    return describe(app)


def keyed(document: Json) -> Iterator[tuple[str, str, Json]]:
    return ((path, method, found) for path, method, found in operations(document) if found["security"])


def test_every_operation_has_a_name_of_its_own_and_a_described_folder(document: Json) -> None:
    named = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert [name for name, times in named.items() if times > 1] == []
    folders = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert {tag for _, _, operation in operations(document) for tag in operation["tags"]} <= folders


def test_every_operation_below_the_surface_needs_a_key_and_says_which_scope(document: Json) -> None:
    inside = {(path, method) for path, method, _ in operations(document) if path.startswith((*SURFACES, SIGNED))}
    known = {(path, method) for path, method, operation in keyed(document) if operation["x-scope"]}
    posted = {(f"/api/v1/auth/{name}", "post") for name in ("signup", "login", "reset")}
    open_to_all = posted | {("/api/v1/auth/session", "get")}
    by_a_links_secret = {("/api/v1/shared/replay", "get")}
    assert inside - known == open_to_all | by_a_links_secret
    assert known <= inside


def test_what_a_patch_does_not_send_has_no_default(document: Json) -> None:
    schemas = document["components"]["schemas"]
    patched = [
        operation["requestBody"]
        for path, method, operation in operations(document)
        if method == "patch" and path.startswith("/api/")
    ]
    assert len(patched) == 15
    for body in patched:
        schema = schema_of(body, schemas)
        assert schema["minProperties"] == 1, schema["title"]
        assert [name for name, field in schema["properties"].items() if "default" in field] == [], schema["title"]


WITHOUT_AN_ANSWER = {"delete_calendar", "connect_zoom", "read_zoom_connection", "delete_zoom_connection"}
"""Of what is refused always, or answered with nothing."""


def test_the_ways_of_other_services_are_described_whole(document: Json) -> None:
    routes = [route for router in (*VIDEOSDK, *MEETING_BAAS) for route in router.routes if isinstance(route, Operation)]
    described = {found["operationId"]: found for _, _, found in operations(document)}
    assert {route.name for route in routes} <= described.keys()
    for route in routes:
        operation = described[route.name]
        schemes = {scheme for alternative in operation["security"] for scheme in alternative}
        assert schemes == ({"SignedToken"} if route.path.startswith(SIGNED) else {"ApiKey", "MeetingBaasKey"})
        assert operation["tags"] in (["VideoSDK"], ["Bots and calendars"]), route.name
        answer = operation["responses"]["202" if "202" in operation["responses"] else "200"]
        schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
        assert bool(schema.keys() - {"title"}) is (route.name not in WITHOUT_AN_ANSWER), route.name


def test_errors_at_v2_have_the_shape_of_that_reference(document: Json) -> None:
    read_room = document["paths"]["/v2/rooms/{room_id}"]["get"]["responses"]
    for status in ("400", "401", "402", "429", "503"):
        named = read_room[status]["$ref"].rpartition("/")[2]
        content = document["components"]["responses"][named]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/VideoError"}
        for example in content["examples"].values():
            assert valid(document, content["schema"], example["value"])


def test_nothing_is_referred_to_that_is_not_there(document: Json) -> None:
    def look(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from look(value)
        elif isinstance(part, list):
            for value in part:
                yield from look(value)

    for reference in set(look(document)):
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]


def test_every_operation_documents_the_errors_that_all_have(document: Json) -> None:
    for path, method, operation in keyed(document):
        answers = set(operation["responses"])
        assert {"400", "401", "403", "429", "500", "503"} <= answers, (method, path)
        assert "422" not in answers, (method, path)
        assert ("{" not in path) or "404" in answers, (method, path)
        assert ("requestBody" not in operation) or {"413", "415"} <= answers, (method, path)


def test_every_kind_of_error_is_described(document: Json) -> None:
    described = {type(error).__name__ for error in ERRORS}
    assert {kind.__name__ for kind in PlatformError.__subclasses__()} - described - BESIDES == set()
    for error in ERRORS:
        assert valid(document, document["components"]["schemas"]["Error"], error.body())


def test_every_answer_carries_the_rate_headers(document: Json) -> None:
    for path, method, operation in keyed(document):
        for status, answer in operation["responses"].items():
            if "$ref" in answer:
                answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            assert "X-RateLimit-Remaining" in answer["headers"], (method, path, status)


def test_every_post_of_a_project_takes_an_idempotency_key(document: Json) -> None:
    for path, method, operation in keyed(document):
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        expected = method == "post" and operation["x-scope"] not in ("operator", "session", "embed")
        assert ("Idempotency-Key" in names) == expected, (method, path)


def test_every_json_body_has_an_example_and_all_examples_are_true(document: Json) -> None:
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            assert "example" in content, (method, path)
            assert valid(document, content["schema"], content["example"]), (method, path)
        for status, answer in operation["responses"].items():
            shown = answer.get("content", {}).get("application/json", {})
            if "example" in shown:
                assert valid(document, {"allOf": [shown["schema"]]}, shown["example"]), (method, path, status)


def valid(document: Json, schema: Json, value: object) -> bool:
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)] == []


def test_what_a_post_makes_links_to_what_goes_on_with_it(document: Json) -> None:
    links = document["paths"]["/api/v1/agents"]["post"]["responses"]["201"]["links"]
    assert links["delete_agent"]["parameters"] == {"agent_id": "$response.body#/agent/id"}
    rooms = document["paths"]["/api/v1/rooms"]["post"]["responses"]["201"]["links"]
    assert rooms["close_room"]["parameters"] == {"room_name": "$response.body#/room/name"}


def test_what_is_not_for_customers_is_not_described(document: Json) -> None:
    assert not any(path.startswith(("/livekit", "/uplink", "/docs", "/assets")) for path in document["paths"])
    assert "head" not in {method for methods in document["paths"].values() for method in methods}


def requests_of(collection: Json) -> list[Json]:
    return [item for folder in collection["item"] for item in folder["item"]]


def test_the_collection_has_every_operation_once_and_no_key(document: Json) -> None:
    collection = collect(document, base_url="https://voice.example.org")
    assert len(requests_of(collection)) == sum(1 for _ in operations(document))
    variables = {variable["key"]: variable["value"] for variable in collection["variable"]}
    assert (variables["baseUrl"], variables["apiKey"]) == ("https://voice.example.org", "")
    assert (variables["agent_id"], variables["session_id"], variables["recording_id"]) == ("1", "42", "7")
    assert all(item["event"][0]["script"]["exec"][0].startswith("pm.test(") for item in requests_of(collection))


def test_the_collection_shows_at_v2_a_token_and_else_a_key(document: Json) -> None:
    for item in requests_of(collect(document, base_url="http://x")):
        request = item["request"]
        shown = {part["key"]: part["value"] for part in request.get("auth", {}).get("apikey", ())}
        is_signed = request["url"]["path"][0] == "v2"
        assert (shown.get("key") == "Authorization") is is_signed, request["url"]["raw"]
        assert (shown.get("value") == "{{token}}") is is_signed, request["url"]["raw"]


def test_the_collection_makes_before_it_reads_and_removes_last(document: Json) -> None:
    folders = {folder["name"]: folder["item"] for folder in collect(document, base_url="http://x")["item"]}
    methods = [item["request"]["method"] for item in folders["Agents"]]
    assert methods[0] == "POST"
    assert methods[-1] == "DELETE"
    assert any("agent_id" in line for line in folders["Agents"][0]["event"][0]["script"]["exec"])


def test_a_word_of_the_api_is_not_taken_for_an_id(app: FastAPI, document: Json) -> None:
    """DELETE /bots/webhooks is not the deletion of a bot that is called webhooks."""
    plain = {path: set(methods) for path, methods in document["paths"].items() if "{" not in path}
    assert "/bots/webhooks" in plain
    for path, methods in plain.items():
        for method in ("get", "post", "put", "patch", "delete"):
            scope = {"type": "http", "app": app, "path": path, "method": method.upper(), "headers": []}
            taken = any(route.matches(scope)[0] is Match.FULL for route in app.routes)
            assert taken == (method in methods), f"{method} {path}"
