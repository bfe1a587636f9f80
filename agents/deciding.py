"""Whether somebody who is asked to take a call does, where they said just that. Pure: no model is asked.

An answer is words that decide and words that go with them: "I am not sure", "okay, who is it" are none.
"""

import re
from dataclasses import dataclass
from typing import Final

from agents.words import words_of


@dataclass(frozen=True, slots=True)
class _Language:
    """Patterns of whole words: those that decide, and those that may stand beside them."""

    yes: str
    no: str
    beside_yes: str
    beside_no: str


_ENGLISH: Final = _Language(
    "yes|yeah|yep|yup|sure|okay|ok|certainly|absolutely|fine|one",
    "no|nope|not|cannot|busy|later|sorry|two",
    "please|put|them|him|her|it|through|go|ahead|i|will|do|take|press|thanks|thank|you",
    "please|i|am|now|right|can|take|it|the|call|them|press|okay|ok|thanks|thank|you",
)
_LANGUAGES: Final = {
    "en": _ENGLISH,
    "de": _Language(
        "ja|jawohl|jo|gerne?|klar|sicher|natürlich|okay|ok|einverstanden|eins",
        "nein|nee|nicht|leider|beschäftigt|später|keine|zwei",
        "bitte|stellen|sie|durch|ihn|es|das|ich|nehme|übernehme|mache|den|anruf|an|danke|drücke",
        "bitte|ich|kann|bin|habe|jetzt|gerade|im|moment|zeit|geht|es|das|den|anruf|annehmen|danke|okay|ok|tut|mir|leid|drücke",
    ),
    "es": _Language(
        "sí|si|claro|vale|bueno|bien|seguro|adelante|acuerdo|uno",
        "no|ocupad[oa]|después|luego|tarde|dos",
        "por|favor|de|que|me|lo|la|le|pase|paseme|páseme|pásemelo|pásemela|tomo|acepto|llamada|gracias|pulso",
        "por|favor|ahora|puedo|estoy|en|este|momento|lo|siento|más|mas|gracias|tomar|atender|la|llamada|pulso",
    ),
    "fr": _Language(
        "oui|ouais|ok|okay|daccord|bien|sûr|volontiers|certainement|allez|un",
        "non|pas|occupée?|désolée?|tard|deux",
        "sil|vous|te|plaît|plait|passez|le|la|moi|les|je|prends|accepte|lappel|merci|y|appuie",
        "sil|vous|plaît|plait|je|ne|peux|suis|maintenant|en|ce|moment|plus|merci|prendre|lappel|le|la|appuie",
    ),
    "it": _Language(
        "sì|si|certo|certamente|volentieri|okay|ok|va|bene|uno",
        "no|non|occupat[oa]|dopo|tardi|due",
        "per|favore|me|lo|la|li|passi|passami|passamelo|passamela|prendo|accetto|chiamata|grazie|pure|premo",
        "per|favore|ora|adesso|posso|sono|in|questo|momento|mi|dispiace|più|grazie|prendere|la|chiamata|premo",
    ),
    "pt": _Language(
        "sim|claro|certo|okay|ok|bem|certeza|pode|um",
        "não|nao|ocupad[oa]|depois|tarde|dois",
        "por|favor|com|tá|está|passar|passe|me|o|a|eu|atendo|aceito|chamada|ligação|obrigad[oa]|ser|aperto",
        "por|favor|agora|posso|estou|neste|momento|desculpe|mais|obrigad[oa]|atender|a|chamada|ligação|eu|aperto",
    ),
    "nl": _Language(
        "ja|jazeker|zeker|natuurlijk|prima|goed|graag|oké|oke|ok|okay|akkoord|één|een",
        "nee|niet|bezet|later|sorry|twee",
        "alsjeblieft|alstublieft|verbind|maar|door|hem|haar|ik|neem|het|gesprek|aan|bedankt|dank|u|druk",
        "alsjeblieft|alstublieft|ik|kan|ben|nu|op|dit|moment|even|bedankt|dank|u|het|gesprek|aannemen|druk",
    ),
}


def decision_of(words: str, language: str = "en") -> bool | None:
    """Whether a call is taken, by what was said in a language (BCP 47, English where it is not known).

    None for anything else.
    """
    known = _LANGUAGES[words_of(language).language]
    plain = words.lower().replace("\u2019", "'")
    if known is _ENGLISH:
        for short, long in (("no problem", "fine"), ("'ll", " will"), ("'m", " am"), ("can't", "cannot")):
            plain = plain.replace(short, long)
    said = re.findall(r"[^\W\d_]+", plain.replace("'", ""))
    for deciding, beside, decision in ((known.yes, known.beside_yes, True), (known.no, known.beside_no, False)):
        decides = [re.fullmatch(deciding, word) is not None for word in said]
        if any(decides) and all(d or re.fullmatch(beside, word) for d, word in zip(decides, said, strict=True)):
            return decision
    return None
