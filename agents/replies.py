"""The models that answer, as one: where the first fails the next takes over, also in the middle of a sentence."""

from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from livekit.agents import APIConnectOptions, APIError, llm
from livekit.agents.types import NOT_GIVEN, NotGivenOr

from agents.attempts import ONCE, Limits, WorthlessError, bounded
from agents.chains import Chain, Chained, Member, Tell
from agents.continuing import Continuation, go_on
from guard.plain import whole

Model = llm.LLM[Any]


class Replies(Chained[Model], llm.LLM[Any]):
    """A chain of models that answer. An answer without a word counts as a failure, unless a tool was used before it."""

    def __init__(self, members: Sequence[Member[Model]], limits: Limits, tell: Tell) -> None:
        super().__init__()
        self.link(Chain("llm", members, tell))
        self.limits = limits

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = ONCE,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        """Answer. Raises an `APIError` once all have failed."""
        options = {
            "parallel_tool_calls": parallel_tool_calls,
            "tool_choice": tool_choice,
            "extra_kwargs": extra_kwargs,
        }
        return _Reply(self, chat_ctx=chat_ctx, tools=tools or [], options=options)


class _Reply(llm.LLMStream):
    def __init__(
        self, replies: Replies, *, chat_ctx: llm.ChatContext, tools: list[llm.Tool], options: dict[str, Any]
    ) -> None:
        super().__init__(replies, chat_ctx=chat_ctx, tools=tools, conn_options=ONCE)
        self._event_aiter = self._event_ch  # has one reader: see `_metrics_monitor_task`
        self._replies, self._options = replies, options
        self._said, self._used_tools = "", False
        self._half = ""
        """Of a character that a model's server has cut in two; the other half comes with the next piece."""

    async def _run(self) -> None:
        failure: Exception = APIError("no model answers")
        for member, is_last in self._replies.chain.to_ask():
            try:
                with self._replies.chain.asking(member, is_last=is_last):
                    await self._ask(member.model, is_last=is_last)
                return
            except Exception as error:
                failure = error
                if self._used_tools:
                    return  # what was to be done is being done: nobody else may have it done again
        raise failure if isinstance(failure, APIError) else APIError(type(failure).__name__) from failure

    async def _ask(self, model: Model, *, is_last: bool) -> None:
        limits = self._replies.limits
        first = limits.to_first(is_last=is_last)
        said_before, self._half = self._said, ""
        more = Continuation(said_before) if said_before.strip() else None
        context = go_on(self._chat_ctx, said_before) if more else self._chat_ctx
        asked = model.chat(
            chat_ctx=context, tools=self._tools, conn_options=replace(ONCE, timeout=first), **self._options
        )
        async with asked as answer:
            pieces = bounded(
                answer, first=first, between=limits.between, counts=lambda chunk: bool(chunk.has_response())
            )
            heard = False
            async with aclosing(pieces):
                async for chunk in pieces:
                    heard = heard or chunk.has_response()
                    self._pass_on(chunk, more)
            if more is not None and (rest := more.flush()):
                self._pass_on(llm.ChatChunk(id="rest", delta=llm.ChoiceDelta(role="assistant", content=rest)))
        if not heard and not said_before and not self._is_after_tools():
            raise WorthlessError("its answer is empty")

    def _pass_on(self, chunk: llm.ChatChunk, more: Continuation | None = None) -> None:
        delta = chunk.delta
        if delta is not None and delta.content:
            content = self._whole(delta.content)
            delta = delta.model_copy(update={"content": more.push(content) if more is not None else content})
            chunk = chunk.model_copy(update={"delta": delta})
        if delta is not None:
            self._said += delta.content or ""
            self._used_tools = self._used_tools or bool(delta.tool_calls)
        self._event_ch.send_nowait(chunk)

    def _whole(self, content: str) -> str:
        content = self._half + content
        self._half = content[-1] if "\ud800" <= content[-1] <= "\udbff" else ""
        return whole(content.removesuffix(self._half))

    def _is_after_tools(self) -> bool:
        """Whether a tool was the last to act: then there may be nothing to say."""
        return bool(self._chat_ctx.items) and self._chat_ctx.items[-1].type == "function_call_output"

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[llm.ChatChunk]) -> None:
        """Nothing is counted here: each member counts what it was asked for."""
