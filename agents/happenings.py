"""What happens in a call besides words: tools that were used, services that failed. Told as it happens."""

from typing import Final, Literal

import structlog
from livekit.agents import AgentSession
from livekit.agents.voice import events

from agents.attempts import reason_of
from agents.listening import Listener
from agents.noted import LONGEST_NOTE, FaultSeen, ToolUsed
from agents.persona import Persona
from agents.reporter import Reporter
from agents.timing import moment

MOST_FAULTS: Final = 200
"""Of one call that are told: a service that is away fails with every word."""
Service = Literal["llm", "stt", "tts", "knowledge"]
_SERVICES: Final[dict[str, Service]] = {"llm_error": "llm", "stt_error": "stt", "tts_error": "tts"}

log = structlog.get_logger()


class Happenings:
    """Reports what the framework's session tells of tools and faults, and marks tools in the persona's turn."""

    def __init__(self, session: AgentSession[None], persona: Persona, reporter: Reporter) -> None:
        self._persona, self._reporter = persona, reporter
        self._faults = 0
        session.on("function_tools_executed", self.used)
        session.on("error", self.failed)
        session.on("user_state_changed", Listener(self._person))
        session.on("agent_state_changed", Listener(self._itself))
        persona.on_fault = self.knowledge_failed

    def used(self, event: events.FunctionToolsExecutedEvent) -> None:
        """Tools were at work, maybe several at once."""
        for call, output in event.zipped():
            seconds = max(0.0, output.created_at - call.created_at)
            self._persona.marks.tools.append((call.created_at, call.created_at + seconds))
            self._reporter.report(
                ToolUsed(
                    at=moment(event.created_at),
                    name=call.name[:200],
                    arguments=call.arguments[:LONGEST_NOTE],
                    result=output.output[:LONGEST_NOTE],
                    failed=output.is_error,
                    began_at=moment(call.created_at),
                    ms=round(seconds * 1000, 1),
                )
            )

    def failed(self, event: events.ErrorEvent) -> None:
        """A model did not do its work."""
        service = _SERVICES.get(getattr(event.error, "type", ""))
        if service is not None:
            source = str(getattr(event.error, "label", "") or type(event.source).__name__)
            recovered = bool(getattr(event.error, "recoverable", False))
            self._tell(service, source, reason_of(getattr(event.error, "error", event.error)), recovered=recovered)

    def knowledge_failed(self, reason: str) -> None:
        """Nothing could be looked up; the answer went on without."""
        self._tell("knowledge", "", reason, recovered=False)

    def _person(self, event: events.UserStateChangedEvent) -> None:
        self._persona.quiet.person(speaks=event.new_state == "speaking")

    def _itself(self, event: events.AgentStateChangedEvent) -> None:
        if event.new_state in ("speaking", "listening"):
            self._persona.quiet.answered()

    def _tell(self, service: Service, source: str, reason: str, *, recovered: bool) -> None:
        self._faults += 1
        if self._faults > MOST_FAULTS:
            return
        self._reporter.report(
            FaultSeen(
                at=moment(),
                service=service,
                source=source[:200],
                reason=reason[:500],
                recovered=recovered,
            )
        )
