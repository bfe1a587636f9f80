"""One place where errors become answers: ours, and those of the framework in the same shape."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from control_plane.errors import InvalidRequest, MethodNotAllowed, NotFound, PlatformError
from control_plane.refusals import body_of
from control_plane.wire import PATTERNS, SIGNED, SURFACE, SURFACES

PROBLEMS: Final = {
    "extra_forbidden": "unknown field",
    "missing": "is required",
    "model_attributes_type": "must be a JSON object; send it with Content-Type: application/json",
    "union_tag_not_found": "is required",
}
SUBJECT: Final = re.compile(r"^(Value error, |(Input|String|List|Dictionary|Data|URL) should )")
ASIDE: Final = re.compile(r" after validation, not \S+$|, unable to parse.*$")
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def render(request: Request, error: PlatformError) -> JSONResponse:
    """The documented error object with its status and headers."""
    return JSONResponse(body_of(error, request.url.path), error.status, error.headers())


def of_validation(problems: list[dict[str, Any]]) -> InvalidRequest:
    """What pydantic found, as fields and problems. What was sent is not repeated: it may be a secret."""
    for problem in problems:
        if problem["type"] == "json_invalid":
            why = problem.get("ctx", {}).get("error")
            return InvalidRequest(f"The body is not valid JSON{': ' + why if why else ''}")
    fields = []
    for problem in problems[:50]:
        where = list(problem["loc"])
        if where[:1] in (["body"], ["query"], ["path"]):
            del where[0]
        if problem["type"].startswith("union_tag_"):
            where.append(problem["ctx"]["discriminator"].strip("'"))
        fields.append({"field": ".".join(map(str, where)) or "body", "problem": _worded(problem)})
    named = ", ".join(dict.fromkeys(field["field"] for field in fields))
    return InvalidRequest(f"Invalid request: {named}", details={"fields": fields})


def _worded(problem: dict[str, Any]) -> str:
    """What is wrong with a field, as a sentence about it."""
    match problem["type"]:
        case "union_tag_invalid":
            return f"must be one of {problem['ctx']['expected_tags']}".replace("'", "")
        case "literal_error":
            return str(problem["msg"]).replace("Input should", "must").replace("False", "false").replace("True", "true")
        case "missing" if problem["loc"] == ("body", "file"):
            return "is required, as a part of multipart/form-data"
        case kind if kind in PROBLEMS:
            return PROBLEMS[kind]
        case "string_pattern_mismatch" if problem["ctx"]["pattern"] in PATTERNS:
            return PATTERNS[problem["ctx"]["pattern"]]
    text = ASIDE.sub("", str(problem["msg"]))
    return SUBJECT.sub(lambda found: "" if found[2] is None else "must ", text)


def of_status(request: Request, error: HTTPException) -> PlatformError:
    """What the framework refused by itself."""
    match error.status_code:
        case 404:
            further = _below(request)
            said = f"; below it there are {', '.join(further)}" if further else ""
            return NotFound(f"There is no such path{said}")
        case 405:
            return MethodNotAllowed([method for method in METHODS if _serves(request, method)])
        case _:
            return InvalidRequest(str(error.detail))


def _below(request: Request) -> list[str]:
    """What an operation's path has more than one that nothing serves: `/detail` of `/sessions/42`."""
    path, found = request.url.path.rstrip("/"), set()
    if not path.startswith(f"{SURFACE}/"):
        return []
    for route in request.app.routes:
        last = str(getattr(route, "path", "")).rpartition("/")[2]
        if last and "{" not in last and route.matches({**request.scope, "path": f"{path}/{last}"})[0] is Match.FULL:
            found.add(f"/{last}")
    return sorted(found)


def _is_for_people(request: Request) -> bool:
    """Whether somebody's browser asks for a page; programs are answered in JSON, and so is whatever asks the API."""
    is_api = request.url.path.startswith((*SURFACES, SIGNED))
    return request.method in ("GET", "HEAD") and not is_api and "text/html" in request.headers.get("accept", "")


def _missing_page(request: Request) -> Response:
    show: Callable[[], Response] = request.app.state.missing_page
    return show()


def _serves(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def install(app: FastAPI) -> None:
    """Have every error of the application rendered here."""

    async def platform_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, PlatformError)
        return render(request, error)

    async def validation_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return render(request, of_validation(list(error.errors())))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and _is_for_people(request):
            with suppress(PlatformError):  # pages that were not built
                return _missing_page(request)
        return render(request, of_status(request, error))

    app.add_exception_handler(PlatformError, platform_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
