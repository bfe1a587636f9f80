"""Digits as they are said, in seven languages: how many of them a word stands for. Pure."""

import re
import unicodedata
from typing import Final


def words(text: str) -> list[str]:
    """The words of a table."""
    return text.split()


_UNITS: Final = words("""
    zero oh o nought one two three four five six seven eight nine
    null eins ein eine zwei zwo drei vier funf fuenf sechs sieben acht neun
    un une deux trois quatre cinq sept huit neuf
    cero uno una dos tres cuatro cinco seis siete ocho nueve
    due tre quattro cinque sei sette otto nove
    um uma dois duas quatro meia sete oito
    nul een twee drie vijf zes zeven negen
""")
_PAIRS: Final = words("""
    ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
    twenty thirty forty fourty fifty sixty seventy eighty ninety hundred
    zehn elf zwolf zwoelf dreizehn vierzehn funfzehn fuenfzehn sechzehn siebzehn achtzehn neunzehn
    zwanzig dreissig dreißig vierzig funfzig fuenfzig sechzig siebzig achtzig neunzig hundert
    dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante soixante septante huitante
    nonante cent
    diez doce trece catorce dieciseis diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta sesenta
    setenta ochenta noventa cien ciento
    dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove venti trenta quaranta
    cinquanta sessanta settanta ottanta novanta cento
    dez doze treze dezasseis dezesseis dezassete dezessete dezoito dezanove dezenove vinte trinta quarenta cinquenta
    sessenta oitenta cem
    tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien twintig dertig veertig vijftig
    zestig zeventig tachtig negentig honderd
""")
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
_DIGITS: Final = dict.fromkeys(_UNITS, 1) | dict.fromkeys(_PAIRS, 2)
FILLERS: Final = frozenset(
    words("""
    uh um er eh ah hm hmm and und et y e en then dash hyphen minus space plus point dot punkt punto ponto ahm aeh
    bindestrich tiret trattino guion streepje
    """)
)
"""What is said between the digits of one number."""


def fold(text: str) -> str:
    """A text in small letters without accents and with plain digits, each character in its place."""
    return "".join(_folded(character) for character in text)


def count(word: str) -> int:
    """For how many digits a folded word stands; 0 for none."""
    return _DIGITS.get(word) or (2 if len(word) > 6 and _COMPOUND.fullmatch(word) else 0)


def times(word: str) -> int:
    """How often a folded word has the next digit said; 0 where it is no such word."""
    return _TIMES.get(word, 0)


def _folded(character: str) -> str:
    if character < "\x80":
        return character.lower()
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    base = unicodedata.normalize("NFKD", character)[0].lower()
    return base[0] if base else character
