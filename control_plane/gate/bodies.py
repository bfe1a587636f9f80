"""Bodies that may be left out: an operation without a required field takes none, and any content type."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

Body = TypeVar("Body", bound=BaseModel)

COMPONENT: Final = "#/components/schemas/{model}"


def optional(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """A dependency that reads `model` from the body.

    What is JSON is validated, whatever its content type; what is not is ignored unless it says that it is JSON.
    """

    async def read(request: Request) -> Body:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        declared = kind == "application/json" or kind.endswith("+json")
        given = await _parse(request, declared=declared)
        try:
            return model.model_validate({} if given is None else given)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in problems]) from error

    return read


def described(model: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of an operation that reads an optional body; the reference moves its `$defs` among its own."""
    content = {"application/json": {"schema": model.model_json_schema(ref_template=COMPONENT)}}
    return {"requestBody": {"required": False, "content": content}}


async def _parse(request: Request, *, declared: bool) -> Any:
    if not (await request.body()).strip():
        return None
    try:
        given = await request.json()
    except (ValueError, RecursionError) as error:
        if declared:
            raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": "not JSON"}]) from error
        return None
    return given if declared or isinstance(given, dict) else None
