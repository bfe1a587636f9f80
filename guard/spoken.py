"""Numbers as they are said, in seven languages: which digits a word may stand for, and how many. Pure."""

import re
import unicodedata
from typing import Final


def words(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


def fold(text: str) -> str:
    """A text in small letters without accents and with plain digits, each character in its place."""
    return "".join(_folded(character) for character in text)


def _folded(character: str) -> str:
    if character < "\x80":
        return character.lower()
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    base = unicodedata.normalize("NFKD", character)[0].lower()
    return base[0] if base else character


_DIGITS: Final = {
    "0": "zero oh o nought null nul cero",
    "1": "one eins ein eine un une uno una um uma een",
    "2": "two zwei zwo deux dos due dois duas twee",
    "3": "three drei trois tres tre drie",
    "4": "four vier quatre cuatro quattro quatro",
    "5": "five funf fuenf cinq cinco cinque vijf",
    "6": "six sechs seis sei meia zes",
    "7": "seven sieben sept siete sette sete zeven",
    "8": "eight acht huit ocho otto oito",
    "9": "nine neun neuf nueve nove negen",
}
_TEENS: Final = (
    "ten zehn dix diez dieci dez tien",
    "eleven elf onze once undici",
    "twelve zwolf zwoelf douze doce dodici doze twaalf",
    "thirteen dreizehn treize trece tredici treze dertien",
    "fourteen vierzehn quatorze catorce quattordici catorze veertien",
    "fifteen funfzehn fuenfzehn quinze quince quindici vijftien",
    "sixteen sechzehn seize dieciseis sedici dezasseis dezesseis zestien",
    "seventeen siebzehn diecisiete diciassette dezassete dezessete zeventien",
    "eighteen achtzehn dieciocho diciotto dezoito achttien",
    "nineteen neunzehn diecinueve diciannove dezanove dezenove negentien",
)
_TENS: Final = {
    "2": "twenty zwanzig vingt vingts veinte venti vinte twintig",
    "3": "thirty dreissig dreißig trente treinta trenta trinta dertig",
    "4": "forty fourty vierzig quarante cuarenta quaranta quarenta veertig",
    "5": "fifty funfzig fuenfzig cinquante cincuenta cinquanta cinquenta vijftig",
    "6": "sixty sechzig soixante sesenta sessanta sessenta zestig",
    "7": "seventy siebzig septante setenta settanta zeventig",
    "8": "eighty achtzig huitante ochenta ottanta oitenta tachtig",
    "9": "ninety neunzig nonante noventa novanta negentig",
}
_HUNDREDS: Final = "hundred hundert cent cien ciento cento cem honderd"


def _table() -> dict[str, tuple[str, ...]]:
    known: dict[str, tuple[str, ...]] = {}
    told = [*_DIGITS.items(), *((str(number), names) for number, names in enumerate(_TEENS, 10))]
    for digits, names in [*told, *((f"{tens}0", names) for tens, names in _TENS.items())]:
        known |= dict.fromkeys(map(fold, words(names)), (digits,))
    return known | dict.fromkeys(words(_HUNDREDS), ("00", "100"))


MEANT: Final = _table()
"""For each folded word the digits that it may stand for."""
TENS_OF: Final = {fold(word): tens for tens, names in _TENS.items() for word in words(names)}
"""The first digit of each folded ten."""
_COMPOUND: Final = re.compile(
    r"(?:ein|zwei|drei|vier|fu?e?nf|sechs|sieben|acht|neun)und(?:zwan|drei|vier|fu?e?nf|sech|sieb|acht|neun)(?:zig|ssig)"
    r"|(?:een|twee|drie|vier|vijf|zes|zeven|acht|negen)en(?:twin|der|veer|vijf|zes|zeven|tach|negen)tig"
    r"|veinti\w{2,6}"
    r"|(?:vent|trent|quarant|cinquant|sessant|settant|ottant|novant)[aio]?(?:uno|due|tre|quattro|cinque|sei|sette|otto|nove)"
)
_TIMES: Final = {
    **dict.fromkeys(("double", "doppel", "doppelt", "doble", "doppio", "dubbel", "duplo"), 2),
    **dict.fromkeys(("triple", "treble", "dreifach", "triplo", "tripel"), 3),
}
_EVERYDAY: Final = ("once", "quince")
"""Numbers of Spanish that are words of English: with others in a row they would be taken for somebody's number."""
_COUNTS: Final = {word: len(meant[0]) for word, meant in MEANT.items() if word not in _EVERYDAY}
FILLERS: Final = frozenset(
    words("""
    uh um er eh ah hm hmm and und et y e en then dash hyphen minus space plus point dot punkt punto ponto ahm aeh
    bindestrich tiret trattino guion streepje
    """)
)
"""What is said between the digits of one number."""


def count(word: str) -> int:
    """For how many digits a folded word stands; 0 for none."""
    return _COUNTS.get(word) or (2 if len(word) > 6 and _COMPOUND.fullmatch(word) else 0)


def digit_of(word: str) -> str:
    """The digit that a folded word stands for; empty where it is none, or more than one."""
    meant = MEANT.get(word, ("",))[0]
    return meant if len(meant) == 1 else ""


def times(word: str) -> int:
    """How often a folded word has the next digit said; 0 where it is no such word."""
    return _TIMES.get(word, 0)
