"""The OpenAPI document as a Postman collection (v2.1) whose requests run from first to last against a demo project."""

import json
import re
from typing import Any, Final

from control_plane.reference.document import CREDENTIALS, EMBED_KEY, KEY, OPERATOR, SESSION, TOKEN, operations

Json = dict[str, Any]

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
EXPECTED: Final = ("402", "404", "409", "503")
"""Besides success, what a request may find: the thing is gone, is there already, or the part that does it is away."""
EXPECTED_OF: Final = dict.fromkeys(("dial", "list_raw_calendars", "create_calendar", "update_calendar"), ("400",))
"""What single operations may answer besides: a project may be without a trunk, and an example's calendar is none."""
RANKS: Final = {"get": 1, "post": 2, "put": 3, "patch": 3, "delete": 4}
"""Order within a folder: what makes a thing, what reads, changes and removes it."""
OTHERS: Final = {TOKEN: "token", OPERATOR: "adminKey", EMBED_KEY: "embedKey"}
"""Variables with what else opens operations, by its scheme. A customer who runs the collection may have none of it, nor
a browser's session, nor the secret of a link."""
POINTER: Final = "$response.body#/"


def collect(document: Json, *, base_url: str) -> Json:
    """A collection with a folder for each tag and variables for the address, the key and what paths name."""
    folders: dict[str, list[tuple[tuple[int, int], Json]]] = {}
    variables: dict[str, str] = {}
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                variables[called(parameter)] = str(parameter.get("example", ""))
        rank = 0 if method == "post" and _learned(operation) else RANKS[method]
        folder = folders.setdefault(operation["tags"][0], [])
        folder.append(((rank, path.count("/")), _item(path, method, operation)))
    ordered = [tag["name"] for tag in document["tags"] if tag["name"] in folders]
    return {
        "info": {"name": document["info"]["title"], "description": document["info"]["description"], "schema": SCHEMA},
        "auth": _auth(KEY),
        "variable": [
            {"key": "baseUrl", "value": base_url, "type": "string"},
            {"key": "apiKey", "value": "", "type": "string"},
            *({"key": name, "value": "", "type": "string"} for name in OTHERS.values()),
            *({"key": name, "value": value, "type": "string"} for name, value in variables.items()),
        ],
        "item": [
            {"name": name, "item": [item for _, item in sorted(folders[name], key=lambda pair: pair[0])]}
            for name in dict.fromkeys([*ordered, *folders])
        ],
    }


def _auth(scheme: str) -> Json:
    """How a request shows what opens it."""
    given = {"key": CREDENTIALS[scheme][1], "value": "{{" + OTHERS.get(scheme, "apiKey") + "}}", "in": "header"}
    return {"type": "apikey", "apikey": [{"key": key, "value": part, "type": "string"} for key, part in given.items()]}


def _scheme(operation: Json) -> str | None:
    """What opens an operation, the first of several; None where it is open to all."""
    return next((scheme for alternative in operation["security"] for scheme in alternative), None)


def called(parameter: Json) -> str:
    """The name of what a path parameter stands for; see `document.merged`."""
    return str(parameter.get("x-called", parameter["name"]))


def _item(path: str, method: str, operation: Json) -> Json:
    parameters = operation.get("parameters", [])
    request: Json = {
        "method": method.upper(),
        "description": operation["description"],
        "header": [],
        "url": _url(path, parameters),
    }
    scheme = _scheme(operation)
    if scheme is None:
        request["auth"] = {"type": "noauth"}
    elif scheme in OTHERS:
        request["auth"] = _auth(scheme)
    body = operation.get("requestBody")
    if body is not None:
        request |= _body(body["content"])
    script = {"type": "text/javascript", "exec": _script(operation)}
    return {"name": operation["summary"], "request": request, "event": [{"listen": "test", "script": script}]}


def _url(path: str, parameters: list[Json]) -> Json:
    written = re.sub(r"{(\w+)}", r":\1", path)
    url: Json = {"raw": "{{baseUrl}}" + written, "host": ["{{baseUrl}}"], "path": written.strip("/").split("/")}
    named = [parameter for parameter in parameters if parameter["in"] == "path"]
    if named:
        url["variable"] = [{"key": parameter["name"], "value": "{{" + called(parameter) + "}}"} for parameter in named]
    query = [parameter for parameter in parameters if parameter["in"] == "query"]
    if query:
        url["query"] = [
            {
                "key": parameter["name"],
                "value": str(parameter.get("example", parameter["schema"].get("default", ""))),
                "description": parameter.get("description", ""),
                "disabled": not parameter["required"],
            }
            for parameter in query
        ]
    return url


def _body(content: Json) -> Json:
    if "multipart/form-data" in content:
        return {"body": {"mode": "formdata", "formdata": [{"key": "file", "type": "file", "src": "faq.md"}]}}
    example = content.get("application/json", {}).get("example")
    if example is None:
        return {}
    return {
        "header": [{"key": "Content-Type", "value": "application/json"}],
        "body": {
            "mode": "raw",
            "raw": json.dumps(example, indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        },
    }


def _script(operation: Json) -> list[str]:
    allowed = {*EXPECTED, *EXPECTED_OF.get(operation["operationId"], ())}
    if _scheme(operation) in (*OTHERS, SESSION, None):
        allowed |= {"401", "403"}
    expected = [int(status) for status in operation["responses"] if status.startswith("2") or status in allowed]
    lines = [
        'pm.test("answers as documented", () => {',
        f"  pm.expect(pm.response.code).to.be.oneOf({json.dumps(sorted(expected))});",
        "});",
    ]
    learned = _learned(operation)
    if learned:
        lines.append("if (pm.response.code < 300) {")
        for name, pointer in learned.items():
            place = "".join(f"[{json.dumps(part)}]" for part in pointer.split("/"))
            lines.append(f"  pm.collectionVariables.set({json.dumps(name)}, pm.response.json(){place});")
        lines.append("}")
    return lines


def _learned(operation: Json) -> dict[str, str]:
    """What later requests take from the answer: variables and where they stand in it."""
    return {
        name: expression.removeprefix(POINTER)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
        for name, expression in link["parameters"].items()
    }
