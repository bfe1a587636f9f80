"""What the instructions of a persona say outright: fixed replies, who the persona is, how it greets."""

import re
from dataclasses import dataclass
from typing import Final

from parley.offline.words import likeness, telling, tokens, word_set

_QUOTED: Final = r"[\"“'](?P<quoted>[^\"”\n]+?)[\"”'](?=\s|$|[.,;])|(?P<plain>[^\n]+)"
_VERB: Final = r"(?:say|answer|reply|respond)(?:\s+(?:exactly|only|with|literally))*"
_ALWAYS: Final = re.compile(rf"^\W*{_VERB}\s+exactly\s*:\s*(?:{_QUOTED})", re.I | re.M)
_SOMETIMES: Final = re.compile(
    rf"\b(?:when|if|whenever)\s+(?P<condition>[^\n:]{{3,120}}?),?\s+{_VERB}\s*:\s*(?:{_QUOTED})", re.I
)
_GREETING: Final = re.compile(rf"\bgreet\b[^\n:.]{{0,60}}?(?:with|by saying)?\s*:\s*(?:{_QUOTED})", re.I)
_IDENTITY: Final = re.compile(
    r"\byou are (?P<who>[^.,;:\n]{2,80}?)(?:,? (?:of|from|at|for|with) (?P<where>[^.,;:\n]{2,80}))?(?=[.,;:\n]|$)", re.I
)
_UNKNOWN: Final = re.compile(r"\b(?:not know|don't know|unsure|not sure|cannot answer|can't answer|no answer)\b", re.I)
_SUBJECTS: Final = word_set(
    """
    caller user customer guest someone they asked asks says said mention mentions about
    """
)

_HELLO: Final = word_set(
    """
    hello hi hey good morning afternoon evening greetings howdy there again
    """
)
_THANKS: Final = word_set(
    """
    thank thanks you so very much a lot for your help that is all was great perfect lovely wonderful okay ok
    appreciate it
    """
)
_GOODBYE: Final = word_set(
    """
    goodbye good bye see you later have a nice day night then take care okay ok and thank thanks
    """
)
_WHO: Final = re.compile(
    r"\b(?:who are you|what(?:'s| is) your name|who am i (?:speaking|talking) (?:to|with)|who is this|your name)\b",
    re.I,
)
_NATURE: Final = re.compile(r"\bare you (?:a |an )?(?:real|human|person|robot|machine|computer|bot|ai)\b", re.I)


@dataclass(frozen=True)
class Rule:
    """A reply for one kind of question."""

    about: tuple[str, ...]
    reply: str


@dataclass(frozen=True)
class Script:
    """Everything the instructions fix."""

    always: str | None = None
    rules: tuple[Rule, ...] = ()
    refusal: str = "I am sorry, I do not know that."
    greeting: str | None = None
    who: str | None = None
    where: str | None = None

    def scripted(self, question: str) -> str | None:
        """The reply the instructions give for this question."""
        if self.always:
            return self.always
        asked = telling(question)
        for rule in self.rules:
            if all(any(likeness(word, stem) for stem in asked) for word in rule.about):
                return rule.reply
        return None

    def small_talk(self, question: str) -> str | None:
        """The reply to a greeting, thanks, a goodbye or "who are you"; None for anything with content."""
        words = tokens(question)
        said = set(words)
        if _WHO.search(question):
            return self.introduction
        if _NATURE.search(question):
            return "I am an automated assistant."
        if said & {"goodbye", "bye"} and said <= _GOODBYE | _THANKS:
            return "Goodbye."
        if said & {"thank", "thanks", "appreciate"} and said <= _THANKS:
            return "You are welcome."
        if said and said <= _HELLO and said & {"hello", "hi", "hey", "morning", "afternoon", "evening", "greetings"}:
            return self.opening
        return None

    @property
    def introduction(self) -> str:
        """One sentence about who speaks."""
        if not self.who:
            return "I am an automated assistant."
        return f"I am {self.who} of {self.where}." if self.where else f"I am {self.who}."

    @property
    def opening(self) -> str:
        """How a conversation begins."""
        return self.greeting or (
            f"Hello. {self.introduction} How can I help you?" if self.who else "Hello. How can I help you?"
        )


def read_script(instructions: str) -> Script:
    """What the instructions fix; everything else in them has no effect on this model."""
    always = _ALWAYS.search(instructions)
    greeting = _GREETING.search(instructions)
    identity = _IDENTITY.search(instructions)
    rules: list[Rule] = []
    refusal = Script.refusal
    for match in _SOMETIMES.finditer(instructions):
        condition = match["condition"]
        if _UNKNOWN.search(condition):
            refusal = _reply(match)
            continue
        about = tuple(telling(" ".join(word for word in tokens(condition) if word not in _SUBJECTS)))
        if about:
            rules.append(Rule(about, _reply(match)))
    return Script(
        always=_reply(always) if always else None,
        rules=tuple(rules),
        refusal=refusal,
        greeting=_reply(greeting) if greeting else None,
        who=identity["who"].strip() if identity else None,
        where=identity["where"].strip() if identity and identity["where"] else None,
    )


def _reply(match: re.Match[str]) -> str:
    return (match["quoted"] or match["plain"]).strip()
