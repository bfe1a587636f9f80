"""One place where errors become answers: ours, and those of the framework in the same shape."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from control_plane.errors import InvalidRequest, MethodNotAllowed, NotFound, PlatformError


def render(error: PlatformError) -> JSONResponse:
    """The documented error object with its status and headers."""
    return JSONResponse(error.body(), error.status, error.headers())


def of_validation(problems: list[dict[str, Any]]) -> InvalidRequest:
    """What pydantic found, as fields and problems. What was sent is not repeated: it may be a secret."""
    if any(problem["type"] == "json_invalid" for problem in problems):
        return InvalidRequest("The body is not valid JSON")
    fields = []
    for problem in problems[:50]:
        where = [str(part) for part in problem["loc"] if part not in ("body", "query", "path")]
        text = "unknown field" if problem["type"] == "extra_forbidden" else str(problem["msg"])
        fields.append({"field": ".".join(where) or "body", "problem": text})
    named = ", ".join(dict.fromkeys(field["field"] for field in fields))
    return InvalidRequest(f"Invalid request: {named}", details={"fields": fields})


def of_status(status: int, detail: str) -> PlatformError:
    """What the framework refused by itself."""
    match status:
        case 404:
            return NotFound("There is no such path")
        case 405:
            return MethodNotAllowed("This path does not allow this method")
        case _:
            return InvalidRequest(detail)


def install(app: FastAPI) -> None:
    """Have every error of the application rendered here."""

    async def platform_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, PlatformError)
        return render(error)

    async def validation_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return render(of_validation(list(error.errors())))

    async def http_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return render(of_status(error.status_code, str(error.detail)))

    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
