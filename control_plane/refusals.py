"""Answering with an error from outside of the application. Plain ASGI."""

import json

from starlette.types import Send

from control_plane.errors import PlatformError


def encode(error: PlatformError) -> bytes:
    """The documented error object, as every answer writes JSON."""
    return json.dumps(error.body(), ensure_ascii=False, separators=(",", ":")).encode()


async def refuse(send: Send, error: PlatformError) -> None:
    """Answer with an error in the documented shape."""
    body = encode(error)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
