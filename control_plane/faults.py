"""One place where errors become answers: ours, and those of the framework in the same shape."""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from control_plane.errors import InvalidRequest, MethodNotAllowed, NotFound, PlatformError

PROBLEMS: Final = {
    "extra_forbidden": "unknown field",
    "model_attributes_type": "must be a JSON object; send it with Content-Type: application/json",
}
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def render(error: PlatformError) -> JSONResponse:
    """The documented error object with its status and headers."""
    return JSONResponse(error.body(), error.status, error.headers())


def of_validation(problems: list[dict[str, Any]]) -> InvalidRequest:
    """What pydantic found, as fields and problems. What was sent is not repeated: it may be a secret."""
    for problem in problems:
        if problem["type"] == "json_invalid":
            why = problem.get("ctx", {}).get("error")
            return InvalidRequest(f"The body is not valid JSON{': ' + why if why else ''}")
    fields = []
    for problem in problems[:50]:
        where = [str(part) for part in problem["loc"] if part not in ("body", "query", "path")]
        text = PROBLEMS.get(problem["type"], str(problem["msg"]))
        fields.append({"field": ".".join(where) or "body", "problem": text})
    named = ", ".join(dict.fromkeys(field["field"] for field in fields))
    return InvalidRequest(f"Invalid request: {named}", details={"fields": fields})


def of_status(request: Request, error: HTTPException) -> PlatformError:
    """What the framework refused by itself."""
    match error.status_code:
        case 404:
            return NotFound("There is no such path")
        case 405:
            return MethodNotAllowed([method for method in METHODS if _serves(request, method)])
        case _:
            return InvalidRequest(str(error.detail))


def _serves(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def install(app: FastAPI) -> None:
    """Have every error of the application rendered here."""

    async def platform_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, PlatformError)
        return render(error)

    async def validation_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return render(of_validation(list(error.errors())))

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return render(of_status(request, error))

    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
