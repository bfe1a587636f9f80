"""Several models of one kind in the order in which they are asked; what is left alone is skipped."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

import structlog

from agents.attempts import is_its_fault, reason_of, was_silent
from agents.breaker import Breaker
from agents.contract import ProviderChanged
from agents.listening import Listener
from agents.noted import FaultSeen
from agents.tally import count_attempt
from agents.timing import moment, standing_still

Service = Literal["llm", "stt", "tts"]
Tell = Callable[[ProviderChanged | FaultSeen], None]
M = TypeVar("M")

AGAIN: Final = 3
"""Times that one is asked again whom this process could not hear."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Member(Generic[M]):
    """One model: its provider's or its own name, and whether it may be asked."""

    name: str
    model: M
    breaker: Breaker


class Chain(Generic[M]):
    """Whom to ask next, and who serves. Each change is told, and each fault that another has made good."""

    def __init__(self, service: Service, members: Sequence[Member[M]], tell: Tell) -> None:
        assert members
        self.service, self.members, self._tell = service, list(members), tell
        self.serving: Member[M] = self.members[0]
        """Who did its work last."""
        self._again = False
        """The last who was asked had no chance to answer."""

    @property
    def is_first_serving(self) -> bool:
        """Whether who was wanted most did its work last."""
        return self.serving is self.members[0]

    def to_ask(self) -> Iterator[tuple[Member[M], bool]]:
        """Each that may be asked, in order, and whether it is the last. Where all are left alone, all are asked. Whom
        this process could not hear, as it stood still, is asked again."""
        nobody = all(member.breaker.is_open() for member in self.members)
        for place, member in enumerate(self.members, start=1):
            if member.breaker.may_ask() or nobody:
                after = self.members[place:]
                is_last = not (after if nobody else [each for each in after if not each.breaker.is_open()])
                yield member, is_last
                for _ in range(AGAIN):
                    if self._again:
                        yield member, is_last

    def leave(self) -> None:
        """Nobody is asked any more: what was being tried another call may try."""
        for member in self.members:
            member.breaker.leave()

    def _answered(self, member: Member[M]) -> None:
        """It did its work."""
        count_attempt(self.service, "answered")
        member.breaker.answered()
        if member is self.serving:
            return
        before, self.serving = self.serving, member
        is_back = self.members.index(member) < self.members.index(before)
        wanted, reason = (member, "it answers again") if is_back else (before, "it does not answer")
        log.warning("provider changed", service=self.service, wanted=wanted.name, used=member.name)
        self._tell(changed(self.service, wanted.name, member.name, reason))

    def _failed(self, member: Member[M], error: BaseException, *, is_last: bool) -> None:
        """It did not. Of the last of all, whoever asked tells."""
        reason = reason_of(error)
        count_attempt(self.service, "silent" if was_silent(error) else "failed")
        if is_its_fault(error):
            member.breaker.failed(reason, silent=was_silent(error))
        log.warning("model failed", service=self.service, model=member.name, reason=reason)
        if not is_last:
            source = member.name[:200]
            fault = FaultSeen(at=moment(), service=self.service, source=source, reason=reason[:500], recovered=True)
            self._tell(fault)

    @contextmanager
    def asking(self, member: Member[M], *, is_last: bool) -> Iterator[None]:
        """Ask one within this block: whether it did its work is what comes out of it. Its errors pass through."""
        self._again = False
        with standing_still() as stillness:
            try:
                yield
            except Exception as error:
                if stillness.seen and is_its_fault(error):
                    self._again = True
                    member.breaker.leave()
                    log.warning("model asked again, as this process stood still", service=self.service)
                else:
                    self._failed(member, error, is_last=is_last)
                raise
            except BaseException:  # whoever asked does not want to know any more
                member.breaker.leave()
                raise
        self._answered(member)


class Chained(Generic[M]):
    """Several models where the framework expects one: what is alike for those that answer, speak and recognise."""

    chain: Chain[M]

    def link(self, chain: Chain[M]) -> None:
        """Stand for these. What each of them counts is passed on."""
        self.chain = chain
        self._on_counted = Listener(self._counted)
        for model in self._models():
            model.on("metrics_collected", self._on_counted)

    @property
    def model(self) -> str:
        """Of who serves."""
        return str(self._serving().model)

    @property
    def provider(self) -> str:
        """Of who serves."""
        return str(self._serving().provider)

    def prewarm(self, **options: Any) -> None:
        """Have the first at hand."""
        self._models()[0].prewarm(**options)

    async def aclose(self) -> None:
        """Leave nothing under way."""
        for model in self._models():
            model.off("metrics_collected", self._on_counted)
            await model.aclose()

    def _serving(self) -> Any:
        return self.chain.serving.model

    def _models(self) -> list[Any]:
        return [member.model for member in self.chain.members]

    def _counted(self, counted: Any) -> None:
        emit: Callable[..., None] = getattr(self, "emit")  # noqa: B009 - of the framework's class that is beside this one
        emit("metrics_collected", counted)


def changed(service: Service, wanted: str, used: str, reason: str) -> ProviderChanged:
    """That another does the work from here on."""
    return ProviderChanged(at=moment(), service=service, wanted=wanted, used=used, reason=reason[:500])
