"""Errors as OpenAI's clients expect them.

ModelServerError
├── InvalidRequest      400   invalid_value …
├── UnknownModel        404   model_not_found
├── TooLarge            413   file_too_large
└── Busy                503   overloaded
"""

from typing import Any, ClassVar


class ModelServerError(Exception):
    """Something the caller should be told about: what, why and what to do."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param = message, param

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


class InvalidRequest(ModelServerError):
    """The request cannot be understood, or asks for what this server does not do."""

    status = 400
    kind = "invalid_request_error"
    code = "invalid_value"


class UnknownModel(ModelServerError):
    """The model is not one of this server's."""

    status = 404
    kind = "invalid_request_error"
    code = "model_not_found"

    def __init__(self, model: str, known: str) -> None:
        super().__init__(f"The model '{model}' is not here; this server has {known}.", param="model")


class TooLarge(ModelServerError):
    """The upload is over the limit."""

    status = 413
    kind = "invalid_request_error"
    code = "file_too_large"


class Busy(ModelServerError):
    """Every recogniser is taken; another request later may succeed."""

    status = 503
    kind = "server_error"
    code = "overloaded"
