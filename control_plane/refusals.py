"""Answering with an error, in the shape of the surface that was called. `refuse` is plain ASGI."""

import json
from typing import Any

from starlette.types import Send

from control_plane.errors import PlatformError
from control_plane.wire import SIGNED


def body_of(error: PlatformError, path: str) -> dict[str, Any]:
    """The error object of the surface to which a path belongs."""
    if not path.startswith(SIGNED):
        return error.body()
    problems = [f"{each['field']}: {each['problem']}" for each in (error.details or {}).get("fields", ())]
    return {"statusCode": error.status, "message": "; ".join(problems) or error.message}


def encode(error: PlatformError, path: str = "") -> bytes:
    """The error object, as every answer writes JSON."""
    return json.dumps(body_of(error, path), ensure_ascii=False, separators=(",", ":")).encode()


async def refuse(send: Send, error: PlatformError, path: str = "") -> None:
    """Answer with an error in the documented shape."""
    body = encode(error, path)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
