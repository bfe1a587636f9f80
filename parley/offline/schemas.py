"""The wire: the part of OpenAI's API that is served here. Fields that nothing here can honour have no effect."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from parley.offline.catalogue import Model


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class EmbeddingsRequest(_Body):
    """`POST /v1/embeddings`."""

    model: str = Model.EMBEDDINGS
    input: str | list[str] = Field(max_length=2048)
    encoding_format: Literal["float", "base64"] = "float"


class SpeechRequest(_Body):
    """`POST /v1/audio/speech`."""

    model: str = Model.SPEECH
    input: str = Field(min_length=1, max_length=4096)
    voice: str = "rms"
    response_format: Literal["mp3", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.5, le=2.0)


class ImageUrl(_Body):
    """Where a picture is."""

    url: str


class ContentPart(_Body):
    """A part of a message: text, or a picture as a `data:` address."""

    type: str
    text: str = ""
    image_url: ImageUrl | None = None


class CalledFunction(_Body):
    """What a tool call calls."""

    name: str
    arguments: str = "{}"


class ToolCall(_Body):
    """A tool call the model made earlier."""

    id: str = ""
    function: CalledFunction


class ChatMessage(_Body):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[ToolCall] | None = None


class Function(_Body):
    """A function the model may call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)


class Tool(_Body):
    """A tool the model may call."""

    type: Literal["function"] = "function"
    function: Function


class NamedFunction(_Body):
    """The function a choice names."""

    name: str


class NamedTool(_Body):
    """A choice of one tool."""

    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchema(_Body):
    """The schema of a structured answer."""

    name: str = ""
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(_Body):
    """The shape of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(_Body):
    """Whether a stream ends with its usage."""

    include_usage: bool = False


class ChatRequest(_Body):
    """`POST /v1/chat/completions`."""

    model: str = Model.ANSWERS
    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)
    tools: list[Tool] = Field(default_factory=list, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool = "auto"
    response_format: ResponseFormat = Field(default_factory=ResponseFormat)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
