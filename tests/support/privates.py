"""Lines in which somebody says something private, and lines in which nobody does. Seeded, so that each run is the same.

A `Secret` is said in one line or in two; `leaks` finds it in what a sink holds, however it is written there.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from guard.spoken import words

NAMES: Final = ("Wilhelmina Oxenstierna", "Zoë Quibbledash", "Bartholomäus", "O'Flannagan", "Ng Xuan Thanh")
"""The names of the project's list."""

_SAID: Final = {
    "en": words("zero one two three four five six seven eight nine"),
    "de": words("null eins zwei drei vier fünf sechs sieben acht neun"),
    "fr": words("zéro un deux trois quatre cinq six sept huit neuf"),
    "es": words("cero uno dos tres cuatro cinco seis siete ocho nueve"),
    "it": words("zero uno due tre quattro cinque sei sette otto nove"),
    "nl": words("nul een twee drie vier vijf zes zeven acht negen"),
    "pt": words("zero um dois três quatro cinco seis sete oito nove"),
}
_VALUES: Final = {word: str(value) for words in _SAID.values() for value, word in enumerate(words)}
_BEFORE: Final = {
    "en": ("You can reach me at", "My number is", "It is", "Sure, that would be", "Write this down:", "The digits are"),
    "de": ("Sie erreichen mich unter", "Meine Nummer ist", "Das wäre", "Notieren Sie bitte"),
    "fr": ("Mon numéro est le", "Vous pouvez noter", "C'est le"),
    "es": ("Mi número es el", "Apunte por favor", "Es el"),
    "it": ("Il mio numero è", "Scriva", "Sarebbe"),
    "nl": ("Mijn nummer is", "Dat is", "Schrijf op"),
    "pt": ("O meu número é", "Anote por favor", "É o"),
}
_AFTER: Final = ("", ".", ", thank you.", " please", " and I am home after six", ", ja?", " if you need me.")


@dataclass(frozen=True)
class Secret:
    """What is said, and the lines it is said in, by one speaker."""

    kind: str
    value: str
    """Digits, an address in small letters, or a name."""
    lines: tuple[str, ...]


def make_secrets(count: int, seed: int = 12) -> list[Secret]:
    """So many secrets of all kinds, spellings and languages, a third of them in two lines."""
    chance = random.Random(seed)
    return [_secret(chance, number) for number in range(count)]


def leaks(secret: Secret, text: str) -> bool:
    """Whether a text tells the secret, or five digits of it in a row."""
    plain = text.casefold()
    if secret.kind == "name":
        return secret.value.casefold() in plain
    if secret.kind == "mail":
        local = re.split("@", secret.value)[0]
        squeezed = re.sub(
            r"\s*\b(dot|underscore|punkt)\b\s*",
            lambda found: {"dot": ".", "punkt": ".", "underscore": "_"}[found[1]],
            plain,
        )
        return local in squeezed or local in re.sub(r"(?<=\b\w)\s(?=\w\b)", "", squeezed)
    digits = "".join(_digits(plain))
    return any(secret.value[place : place + 5] in digits for place in range(len(secret.value) - 4))


def _digits(plain: str) -> Iterator[str]:
    """Digits and words for them, with a break for everything else."""
    times = 1
    for token in re.findall(r"\d|[^\W\d_]+|\[", plain):
        if token.isdigit():
            yield token
        elif token in _VALUES:
            yield _VALUES[token] * times
        elif token != "double":
            yield " "
        times = 2 if token == "double" else 1


def _secret(chance: random.Random, number: int) -> Secret:
    kind = ("phone", "phone", "card", "mail", "iban", "name", "local")[number % 7]
    language = chance.choice(list(_SAID))
    before, after = chance.choice(_BEFORE[language]), chance.choice(_AFTER)
    if kind == "name":
        name = chance.choice(NAMES)
        said = name + chance.choice(("", "", "'s", "’s")) if not name.endswith("s") else name
        return Secret("name", name, (f"{chance.choice(('I am', 'Hier ist', 'ask for', 'je suis'))} {said}{after}",))
    if kind == "mail":
        return _mail(chance, after)
    value, spelled = _number(chance, kind, language)
    two = number % 3 == 0
    if not two:
        return Secret(kind, value, (f"{before} {spelled}{after}",))
    parts = spelled.split(" ")
    if len(parts) < 2:
        cut = chance.randrange(1, len(spelled))
        first, second = spelled[:cut], spelled[cut:]
    else:
        cut = chance.randrange(1, len(parts))
        first, second = " ".join(parts[:cut]), " ".join(parts[cut:])
    return Secret(kind, value, (f"{before} {first}{chance.choice(('', '.', ',', ' -'))}", f"{second}{after}"))


def _number(chance: random.Random, kind: str, language: str) -> tuple[str, str]:
    if kind == "iban":
        return _iban(chance)
    if kind == "card":
        digits = _luhn(chance, chance.choice(("4", "51", "37", "6011")), chance.choice((15, 16, 16)))
        spelled = (digits, _grouped(digits, 4, " "), _grouped(digits, 4, "-"), _spoken(chance, digits, language))
        return digits, chance.choice(spelled)
    if kind == "local":
        digits = chance.choice(("030", "0151", "020", "06", "0171")) + _random(chance, 8)
        return digits, chance.choice(
            (_grouped(digits, 4, " "), f"{digits[:3]}/{digits[3:]}", _spoken(chance, digits, language))
        )
    digits = chance.choice(("1415555", "4930", "4479", "336", "3491", "3906")) + _random(chance, 7)
    forms = (
        f"+{digits}",
        f"+{digits[:2]} {_grouped(digits[2:], 3, ' ')}",
        f"+{digits[:2]} ({digits[2:5]}) {digits[5:]}",
        f"00{digits}",
        _grouped(digits, 3, "-"),
        _grouped(digits, 2, "."),
        _spoken(chance, digits, language),
        _spoken(chance, digits, language),
    )
    return digits, chance.choice(forms)


def _spoken(chance: random.Random, digits: str, language: str) -> str:
    told, place, joint = [], 0, chance.choice((" ", " ", ", "))
    while place < len(digits):
        pair = digits[place : place + 2]
        if language == "en" and len(set(pair)) == 1 and len(pair) == 2:
            told.append(f"double {_SAID[language][int(pair[0])]}")
            place += 2
            continue
        told.append(_SAID[language][int(digits[place])])
        place += 1
    return joint.join(told)


def _mail(chance: random.Random, after: str) -> Secret:
    first, last = (
        chance.choice(("wilma", "yusuf", "ingrid", "paolo")),
        chance.choice(("kowalczyk", "petrosyan", "abernathy")),
    )
    mark = chance.choice((".", "_", ""))
    host, end = chance.choice(("gmail", "example", "web")), chance.choice(("com", "org", "de"))
    value = (
        f"{first}{mark}{last}{chance.randrange(10, 99)}@{host}.{end}"
        if mark == ""
        else f"{first}{mark}{last}@{host}.{end}"
    )
    local = value.partition("@")[0]
    said_mark = {".": " dot ", "_": " underscore ", "": ""}[mark]
    said = local if mark == "" else f"{first}{said_mark}{last}"
    forms = (
        value,
        value.upper(),
        f"{said} at {host} dot {end}",
        f"{local} at {host}.{end}",
        f"{said} @ {host} dot {end}",
    )
    before = chance.choice(("My e-mail is", "Send it to", "meine Mail ist", "mon mail est"))
    return Secret("mail", value, (f"{before} {chance.choice(forms)}{after}",))


def _iban(chance: random.Random) -> tuple[str, str]:
    country, length = chance.choice((("DE", 18), ("NL", 14), ("FR", 23)))
    bank = ("ABNA" if country == "NL" else "") + _random(chance, length - (4 if country == "NL" else 0))
    check = 98 - int("".join(str(int(each, 36)) for each in f"{bank}{country}00")) % 97
    whole = f"{country}{check:02}{bank}"
    return "".join(each for each in bank if each.isdigit()), chance.choice(
        (whole, _grouped(whole, 4, " "), whole.lower())
    )


def _luhn(chance: random.Random, head: str, length: int) -> str:
    body = head + _random(chance, length - len(head) - 1)
    total = sum(sum(divmod(int(each) * (2 if place % 2 == 0 else 1), 10)) for place, each in enumerate(reversed(body)))
    return f"{body}{-total % 10}"


def _random(chance: random.Random, length: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(length))


def _grouped(text: str, size: int, joint: str) -> str:
    return joint.join(text[place : place + size] for place in range(0, len(text), size))


_HARMLESS: Final = (
    "I would like to book a table for {n} at {h}:{m}.",
    "We are open from {h} to {g} on weekdays.",
    "That is {p} dollars, or {q} euros with tax.",
    "It costs €{p} for {n} people and {n} nights.",
    "The meeting is on 2026-{M}-{D} at {h}:{m}.",
    "Between 20{D} and 20{M} we sold {t} bicycles.",
    "My room is {r} on floor {n}.",
    "The postcode is {z} and the street number {n}.",
    "My zip code is {z}.",
    "The order number is {o}.",
    "Your order {o} has left the warehouse.",
    "Version {n}.{n}.{n} came out in 20{D}.",
    "There were {t} visitors, {T} more than last year.",
    "At the corner take bus {n} and then line {r}.",
    "One moment please, I will look that up for you.",
    "Could you repeat that? I did not understand the second part.",
    "Yes, one of the two or three people you met at the office.",
    "Look at the website, it is example dot com.",
    "You find us at parley dot example slash docs.",
    "It is about twenty minutes from here, maybe thirty.",
    "Two hundred and fifty grams of flour and three eggs.",
    "In nineteen eighty four he was twenty one.",
    "Das kostet {p} Euro und dauert {n} Tage.",
    "Wir treffen uns am {D}.{M}.2026 um {h} Uhr {m}.",
    "Ein Tisch für vier Personen um halb acht, bitte.",
    "Il y a {n} chambres à {p} euros la nuit.",
    "Je voudrais deux cafés et un croissant, s'il vous plaît.",
    "Son las {h} y {m}, y tenemos {n} mesas libres.",
    "The temperature was {n}.{n} degrees, humidity {n} %.",
    "I paid 12.50, 13.90 and {n}.20 in the three shops.",
    "First, second, third: we have tried everything.",
    "The distance is {n}.{n} kilometres, take exit {n}.",
    "Her flight LH{r} lands at gate B{n} at {h}:{m}.",
    "Please press one for sales, two for support, three for billing.",
    "We won {n} to {n} and then {n} to {n}.",
    "The picture has 1920x1080 pixels and {n} megabytes.",
    "I was born in 19{D}, moved here in 2003 and left in 2017.",
    "What a lovely day, thank you so much for your help!",
    "Call me Ishmael, and call me tomorrow at {h}.",
    "My room number is {r}.",
    "The number of guests is {n}, the number of rooms {n}.",
    "Half past {n}, or a quarter to {n}.",
    "It has {T} square metres and {n} windows.",
)


def make_harmless(count: int, seed: int = 13) -> list[str]:
    """So many lines that tell nothing private."""
    chance = random.Random(seed)
    return [_filled(chance, _HARMLESS[number % len(_HARMLESS)]) for number in range(count)]


def _filled(chance: random.Random, line: str) -> str:
    made = {
        "n": lambda: str(chance.randrange(1, 30)),
        "h": lambda: str(chance.randrange(8, 13)),
        "g": lambda: str(chance.randrange(13, 22)),
        "m": lambda: f"{chance.randrange(60):02}",
        "p": lambda: f"{chance.randrange(5, 999)}.{chance.randrange(100):02}",
        "q": lambda: str(chance.randrange(5, 9999)),
        "M": lambda: f"{chance.randrange(1, 13):02}",
        "D": lambda: f"{chance.randrange(10, 29)}",
        "t": lambda: f"{chance.randrange(1, 999)},{chance.randrange(1000):03}",
        "T": lambda: str(chance.randrange(100, 9999)),
        "r": lambda: str(chance.randrange(100, 999)),
        "z": lambda: str(chance.randrange(10000, 99999)),
        "o": lambda: f"{chance.randrange(1000, 999999)}",
    }
    return re.sub(r"\{(\w)\}", lambda found: made[found[1]](), line)


def said_in_turn(secrets: Sequence[Secret]) -> Iterator[tuple[Secret, int, str]]:
    """Every line with its secret and its number among that secret's lines."""
    for secret in secrets:
        for place, line in enumerate(secret.lines):
            yield secret, place, line
