"""The models this server has."""

from enum import StrEnum

from parley.offline.errors import UnknownModel


class Model(StrEnum):
    """Ids as `/v1/models` lists them."""

    ANSWERS = "extractive-1"
    SPEECH = "flite-rms"
    RECOGNITION = "pocketsphinx-en"
    EMBEDDINGS = "all-minilm-l6-v2"


def require(asked: str, offered: Model) -> None:
    """Refuse a model that this route does not serve."""
    if asked != offered:
        raise UnknownModel(asked, f"'{offered}' for this, and in all " + ", ".join(Model))
