"""Answering with an error from outside of the application. Plain ASGI."""

import json

from starlette.types import Send

from control_plane.errors import PlatformError


async def refuse(send: Send, error: PlatformError) -> None:
    """Answer with an error in the documented shape."""
    body = json.dumps(error.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
