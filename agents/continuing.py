"""Going on with an answer whose model fell silent in mid-sentence, in the words of another model.

The other is told what was said, and to begin with the sentence that was cut off. Whether it does so, goes on with the
very next word or begins the whole answer anew: nobody hears a sentence twice.
"""

import re
from typing import Final

from livekit.agents import llm

BORDER: Final = re.compile(r"""(?<=[.!?\u2026])["'\u201d\u2019)\]]*\s+|(?<=[\u3002\uff01\uff1f])|\n+""")
"""Between two sentences."""
CUT_OFF: Final = (
    "Your last answer was cut off. Go on from where it stopped, as if nothing had happened: begin with the sentence "
    "that is not finished, from its first word, and repeat nothing that stands before it."
)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, with what stands between them; the last may be unfinished."""
    pieces: list[str] = []
    begin = 0
    for border in BORDER.finditer(text):
        if border.end() > begin:
            pieces.append(text[begin : border.end()])
            begin = border.end()
    return [*pieces, text[begin:]] if begin < len(text) else pieces


def letters(text: str) -> str:
    """What makes two sentences the same, whatever their spaces, marks and capitals."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def after_letters(text: str, count: int) -> str:
    """What follows so many letters of a text."""
    for place, letter in enumerate(text):
        if count <= 0:
            return text[place:]
        count -= len(letters(letter))
    return ""


def is_finished(sentence: str) -> bool:
    """Whether a sentence has its end, and something after it that shows so."""
    return BORDER.search(sentence) is not None


def go_on(chat_ctx: llm.ChatContext, said: str) -> llm.ChatContext:
    """What the next model is asked, where so much was said."""
    context = chat_ctx.copy()
    context.add_message(role="assistant", content=said)
    context.add_message(role="system", content=CUT_OFF)
    return context


class Continuation:
    """Takes what another model says after so much was said, and gives what is new of it, sentence by sentence."""

    def __init__(self, said: str) -> None:
        pieces = sentences_of(said)
        self._cut = pieces.pop() if pieces and not is_finished(pieces[-1]) else ""
        """The sentence that was cut off."""
        self._said = {letters(piece) for piece in pieces}
        self._end = said[-1:]
        self._waiting = ""

    def push(self, text: str) -> str:
        """Some more of what it says; returns what is to be said now."""
        self._waiting += text
        pieces = sentences_of(self._waiting)
        self._waiting = pieces.pop() if pieces and not is_finished(pieces[-1]) else ""
        return "".join(map(self._new, pieces))

    def flush(self) -> str:
        """The rest, where it has said all."""
        rest, self._waiting = self._waiting, ""
        return self._new(rest) if rest else ""

    def _new(self, sentence: str) -> str:
        told = letters(sentence)
        if not told:
            return ""
        if self._cut and letters(self._cut):
            new = self._finish(sentence, told)
        else:
            new = "" if told in self._said else self._apart(sentence)
        self._said.add(told)
        self._end = new[-1:] or self._end
        return new

    def _finish(self, sentence: str, told: str) -> str:
        """What is new of a sentence that may be the rest of the one that was cut off."""
        cut, begun = self._cut, letters(self._cut)
        if told in self._said:
            return ""  # it begins anew; the sentence that was cut off is still to come
        if told.startswith(begun):
            self._cut = ""
            rest = after_letters(sentence, len(begun))
            for mark in cut[len(cut.rstrip(MARKS)) :]:
                rest = rest.removeprefix(mark)
            return rest
        self._cut = ""
        self._said |= {begun, begun + told}
        before, words = cut.split(), sentence.split()
        for count in range(min(len(before), len(words)), 0, -1):
            if list(map(letters, before[-count:])) == list(map(letters, words[:count])):
                return after_letters(sentence, len(letters("".join(words[:count]))))
        is_anew = sentence[0].isupper() and words[0] != "I" and self._end not in ENDS
        return self._apart(f"\u2013 {sentence}" if is_anew else sentence)

    def _apart(self, text: str) -> str:
        """With a space before it where one is needed."""
        return text if not self._end or self._end.isspace() or text[0].isspace() else f" {text}"


ENDS: Final = ".!?\u2026\u3002\uff01\uff1f"
MARKS: Final = ENDS + " \t,;:-\u2013\u2014\"'\u201d\u2019)]"
"""What may stand after the last letter of a sentence."""
