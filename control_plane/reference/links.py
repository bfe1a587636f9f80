"""Links of the OpenAPI document: which operations go on with what a POST has made."""

from typing import Any, Final

from control_plane.wire import SIGNED

Json = dict[str, Any]

CREATED: Final = ("200", "201", "202")


def link(document: Json) -> None:
    """Add links to every POST whose answer holds one object with an id or a name that other paths begin with."""
    paths = document["paths"]
    schemas = document["components"]["schemas"]
    for made_at, methods in paths.items():
        for status in CREATED:
            answer = methods.get("post", {}).get("responses", {}).get(status)
            if answer is not None:
                links = _links(made_at, _object(answer, schemas), paths)
                if links:
                    answer["links"] = links


def _links(made_at: str, made: tuple[str, Json] | None, paths: Json) -> Json:
    if made is None:
        return {}
    name, fields = made
    links: Json = {}
    for path, methods in paths.items():
        if path.startswith(SIGNED) != made_at.startswith(SIGNED):
            continue  # ids of the same name are others there
        parameter = _asked(path, made_at, name)
        field = parameter and _field(parameter, fields)
        if not field:
            continue
        for operation in methods.values():
            links[operation["operationId"]] = {
                "operationId": operation["operationId"],
                "parameters": {parameter: f"$response.body#/{name}/{field}"},
            }
    return links


def _asked(path: str, made_at: str, name: str) -> str | None:
    """The parameter that means what was made: right after the path at which it was, or called by its name."""
    before, _, rest = path.partition("/{")
    parameter = rest.partition("}")[0]
    return parameter if parameter and (before == made_at or parameter == f"{name}_id") else None


def _field(parameter: str, fields: Json) -> str | None:
    if parameter in fields:
        return parameter
    if parameter.endswith("_name"):
        return "name" if "name" in fields else None
    return "id" if "id" in fields else None


def _object(answer: Json, schemas: Json) -> tuple[str, Json] | None:
    """The one object of an answer such as `{"agent": {…}}`, with its fields."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    properties = schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get("properties", {})
    objects = [(name, part) for name, part in properties.items() if "$ref" in part]
    if len(objects) != 1:
        return None
    name, part = objects[0]
    return name, schemas[part["$ref"].rpartition("/")[2]].get("properties", {})
