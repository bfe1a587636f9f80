"""The OpenAPI document: what the framework knows of the routes, and what they all have in common."""

import json
import re
import warnings
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from control_plane.dialects.videosdk.shapes import RoomNotFound
from control_plane.reference.answers import ERROR_SCHEMAS, error_answers, headers, rate_headers, refer
from control_plane.reference.links import link
from control_plane.wire import BAAS, MAX_NUMBER, NO_NUL, SIGNED, SURFACES

Json = dict[str, Any]

HERE: Final = resources.files("control_plane.reference")
KEY: Final = "ApiKey"
OPERATOR: Final = "OperatorKey"
SESSION: Final = "Session"
EMBED_KEY: Final = "EmbedKey"
BAAS_KEY: Final = "MeetingBaasKey"
TOKEN: Final = "SignedToken"  # noqa: S105 - a name
SCHEMES: Final = {"operator": OPERATOR, "session": SESSION, "embed": EMBED_KEY}
"""Of the scopes that no key has."""
CREDENTIALS: Final = {
    KEY: ("header", "X-API-Key", "A project's key, `pk_…`."),
    BAAS_KEY: ("header", "x-meeting-baas-api-key", "The same, as clients of Meeting BaaS send it."),
    TOKEN: (
        "header",
        "Authorization",
        "A JWT (HS256) without a prefix, signed with a key's secret `sk_…`: `apikey`, `exp`, `permissions`.",
    ),
    OPERATOR: ("header", "X-API-Key", "The operator's key, `ak_…`."),
    EMBED_KEY: ("header", "X-Embed-Key", "A public key, `ek_…`, from pages of its origins."),
    SESSION: (
        "cookie",
        "parley_session",
        "A browser that has logged in; over https `__Host-parley_session`. It opens what keys do.",
    ),
}
"""Where each is sent, under which name, and what it is."""
ALWAYS: Final = {400, 401, 403, 429, 500, 503}
"""What any operation with a key may answer."""
INTERNAL: Final = ("x-reads", "x-audited", "x-conflicts", "x-used-up", "x-may-lack")
FRAMEWORK_SCHEMAS: Final = ("HTTPValidationError", "ValidationError")

IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The first answer under this key is given again for 24 hours and nothing is done twice.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}


FREE_JSON: Final[Json] = {
    "description": "Any JSON of at most twenty levels, without NUL in its text.",
    "anyOf": [
        {"type": "string", "pattern": NO_NUL},
        {"type": "integer", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER},
        {"type": ["number", "boolean", "null"]},
        {"type": "array", "items": {"$ref": "#/components/schemas/FreeJson"}},
        {
            "type": "object",
            "propertyNames": {"pattern": NO_NUL},
            "additionalProperties": {"$ref": "#/components/schemas/FreeJson"},
        },
    ],
}


def describe(app: FastAPI) -> Json:
    """The whole document, with every operation that the application shows."""
    texts = json.loads((HERE / "examples.json").read_text(encoding="utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # HEAD shares the operation of its GET, and is left out below
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=(HERE / "overview.md").read_text(encoding="utf-8"),
            routes=app.routes,
            tags=[{"name": name, "description": text} for name, text in texts["tags"].items()],
            servers=[{"url": "/", "description": "This server"}],
        )
    components = document["components"]
    schemas = components["schemas"]
    for name in FRAMEWORK_SCHEMAS:
        schemas.pop(name, None)
    schemas |= ERROR_SCHEMAS
    components["headers"], components["responses"] = headers(), error_answers()
    components["securitySchemes"] = {
        name: {"type": "apiKey", "in": place, "name": called, "description": told}
        for name, (place, called, told) in CREDENTIALS.items()
    }
    schemas["FreeJson"] = FREE_JSON
    document["paths"] = merged(document["paths"])
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schemas |= content["schema"].pop("$defs", {})
    for path, method, operation in operations(document):
        _complete(operation, path=path, method=method, schemas=schemas)
        spelt = re.sub(r"{\w+}", "{}", path.removeprefix("/api/v1"))
        _exemplify(operation, texts, texts["operations"].get(f"{method.upper()} {spelt}", {}))
    link(document)
    tidied: Json = tidy(document)
    return tidied


def merged(paths: Json) -> Json:
    """Paths that differ in the names of their parameters only are one path in OpenAPI; the first one's names stay.

    `x-called` is what a parameter stands for, where its name does not say it: ids at `/v2` are others than elsewhere.
    """
    made: Json = {}
    spelt: dict[str, str] = {}
    for path, methods in paths.items():
        first = spelt.setdefault(re.sub(r"{\w+}", "{}", path), path)
        renamed = dict(zip(_names(path), _names(first), strict=True))
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] != "path":
                    continue
                called = f"video_{parameter['name']}" if path.startswith(SIGNED) else parameter["name"]
                parameter["name"] = renamed[parameter["name"]]
                if called != parameter["name"]:
                    parameter["x-called"] = called
        made.setdefault(first, {}).update(methods)
    return made


def tidy(part: Any) -> Any:
    """Whole numbers as whole numbers (the framework reads limits as floats), and free JSON by its name."""
    match part:
        case {"x-free-json": True}:
            return {"$ref": "#/components/schemas/FreeJson"}
        case dict():
            return {name: tidy(value) for name, value in part.items()}
        case list():
            return [tidy(value) for value in part]
        case float() if part.is_integer():
            return int(part)
    return part


def _names(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation of each; HEAD is taken out on the way."""
    for path, methods in document["paths"].items():
        methods.pop("head", None)
        for method, operation in methods.items():
            yield path, method, operation


def schema_of(content: Json, schemas: Json) -> Json:
    """The JSON schema of a body or an answer, followed to where it is written."""
    schema: Json = content.get("content", {}).get("application/json", {}).get("schema", {})
    return follow(schema, schemas)


def follow(schema: Json, schemas: Json) -> Json:
    """A schema behind its reference; of alternatives the first that is none of null."""
    if "$ref" in schema:
        named: Json = schemas[schema["$ref"].rpartition("/")[2]]
        return named
    for part in schema.get("anyOf", ()):
        if part.get("type") != "null":
            return follow(part, schemas)
    return schema


def _complete(operation: Json, *, path: str, method: str, schemas: Json) -> None:
    told = str(operation.get("description", operation["summary"]))
    summary, _, rest = told.partition("\n")
    operation["summary"] = summary.rstrip(".")
    operation["description"] = f"{summary}\n{rest}".strip()
    errors = _errors(operation, path, method, schemas)
    for name in INTERNAL:
        operation.pop(name, None)
    answers: Json = operation["responses"]
    answers.pop("422", None)
    scope = operation.get("x-scope")
    operation["security"] = [{scheme: []} for scheme in _schemes(scope, path)] if scope else []
    if not path.startswith((*SURFACES, SIGNED)):
        return
    for status, answer in answers.items():
        if answer.get("description") == "Successful Response":
            answer["description"] = "Created" if status == "201" else "Done"
        answer["headers"] = {**answer.get("headers", {}), **rate_headers()}
    for status, answer in refer(errors, path).items():
        answers.setdefault(status, answer)
    if method == "post" and scope and scope not in SCHEMES:
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)


def _schemes(scope: str, path: str) -> tuple[str, ...]:
    """What opens an operation: any one of these."""
    if path.startswith(SIGNED):
        return (TOKEN,)
    return (KEY, BAAS_KEY) if path.startswith(BAAS) else (SCHEMES.get(scope, KEY),)


def _errors(operation: Json, path: str, method: str, schemas: Json) -> set[int]:
    statuses = set(ALWAYS)
    body = operation.get("requestBody")
    if "{" in path or any(name.endswith(("_id", "_ids", "_uuid", "Id")) for name in _named(operation, schemas)):
        statuses.add(404)
    if method != "get" or operation.get("x-conflicts"):
        statuses.add(409)
    if operation.get("x-may-lack"):
        statuses.add(404)
    if operation.get("x-used-up"):
        statuses |= {404, 410}
    if body is not None:
        statuses |= {413, 415}
    if path.startswith(SIGNED) and ("{room_id}" in path or "roomId" in _properties(body, schemas)):
        statuses.add(RoomNotFound.status)
    return statuses


def _named(operation: Json, schemas: Json) -> list[str]:
    """What a body may hold, and what a query must."""
    asked = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query" and each["required"]]
    return [*asked, *_properties(operation.get("requestBody"), schemas)]


def _properties(body: Json | None, schemas: Json) -> Json:
    properties: Json = schema_of(body or {}, schemas).get("properties", {})
    return properties


def _exemplify(operation: Json, texts: Json, own: Json) -> None:
    for parameter in operation.get("parameters", ()):
        called = parameter.get("x-called", parameter["name"])
        if (parameter["in"] == "path" or parameter["required"]) and called in texts["parameters"]:
            parameter["example"] = texts["parameters"][called]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "body" in own:
            content["example"] = own["body"]
    for status, answer in operation["responses"].items():
        if status.startswith("2") and "answer" in own:
            for content in answer.get("content", {}).values():
                content["example"] = own["answer"]
