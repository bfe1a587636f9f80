"""What is said at the knowledge socket: a line of JSON each, any number under way at once, answers in any order.

→ {"id": 1, "capability": "k1.…", "query": "when do you open?", "top_k": 4}
← {"id": 1, "hits": […], "took_ms": 5.1, "embed_ms": 2.4, "search_ms": 2.6}
← {"id": 1, "error": "forbidden", "message": "the capability expired at …"}
"""

from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from knowledge.search import MAX_TOP_K, Hit

MAX_REQUEST: Final = 64 * 1024
MAX_ANSWER: Final = 4 * 1024 * 1024


class ErrorCode(StrEnum):
    BAD_REQUEST = "bad_request"
    FORBIDDEN = "forbidden"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class SearchRequest(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    capability: str
    query: str
    top_k: int = Field(4, ge=1, le=MAX_TOP_K)


class SearchAnswer(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int | None = None
    hits: list[Hit] = []
    took_ms: float = 0.0
    embed_ms: float = 0.0
    search_ms: float = 0.0
    error: ErrorCode | None = None
    message: str = ""

    def line(self) -> bytes:
        """As it goes over the socket."""
        return self.model_dump_json(exclude_defaults=True).encode() + b"\n"
