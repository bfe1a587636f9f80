"""Whether somebody says that they do not want to be called again. Pure: a table of phrases, no model is asked, so that
nothing that is said in a call can talk it out of it.

All languages are looked for in each line: people answer the phone in theirs. Text is compared in lower case, without
apostrophes, and with single spaces for all else that is no letter or digit.
"""

import re
import unicodedata
from typing import Final

_ENGLISH: Final = (
    r"(?<!not )(?<!dont )(?<!never )(?<!didnt )(stop|quit) (calling|phoning|ringing|contacting) "
    r"(me|us|here|this number)",
    r"(?<!not )(?<!dont )(?<!never )(?<!didnt )(stop|quit) calling$",
    r"(do not|dont|never) (ever )?(call|phone|ring|contact|dial) ((me|us|here|this number|my number|back) )*"
    r"(again|any ?more|ever)(?! (before|until|till|unless))",
    r"never (call|phone|ring|contact) (me|us|this number)$",
    r"(take|remove|delete|erase|get) (me|us|my (phone )?number|this number|my name) (off|from|out of) "
    r"((of )?(your|the|this|that|all|any) )",
    r"(delete|erase|lose|forget) my (phone )?number",
    r"put (me|us|my number|this number) (on|onto|in) (your|the|a) (do not|dont|no) call",
    r"no more (phone )?calls(?! (before|until|till|today))",
    r"(want|like|wish) to (opt out|unsubscribe|be unsubscribed)",
    r"(opt|unsubscribe) me( out)?$",
    r"(do not|dont) want (you )?to (be called|call (me|us|here)|get calls|receive calls)"
    r"(?! (before|until|on|at))",
    r"(do not|dont) want (any|any more|more|these|your) (phone )?calls",
)
_GERMAN: Final = (
    r"ruf(en|t)? (sie )?(bitte )?(mich|uns|hier|diese nummer|bei mir|bei uns) (bitte )?(nicht|nie|niemals) "
    r"(mehr|wieder|noch ?(ein)?mal)( wieder)? (hier )?an",
    r"(bitte|sollen|sollst|sollt|dürfen) .{0,40}(nicht|nie|niemals) (mehr|wieder|noch ?(ein)?mal) "
    r"((hier|mich|uns|bei mir|bei uns) )*an(zu)?rufen",
    r"(nicht|nie|niemals) (mehr|wieder) ((von ihnen|von euch|von dir) )?angerufen werden",
    r"hör(t|en)? (sie )?(bitte )?auf ((mich|uns|hier) )?anzurufen",
    r"keine (weiteren anrufe|anrufe mehr)",
    r"(streich|nehm|nimm|entfern)\w* (sie )?(bitte )?(mich|uns|meine (telefon)?nummer|diese nummer) (bitte )?(aus|von) "
    r"(der|ihrer|eurer|dieser|den|ihren)",
    r"lösch\w* (sie )?(bitte )?(meine|diese) (telefon)?nummer",
)
_SPANISH: Final = (
    r"no (me |nos )?vuelva(n|s)? a llamar(me|nos)?",
    r"no (me |nos )?llame(n|s)? (más|mas|nunca|otra vez)",
    r"dej(e|en|a) de llamar(me|nos)?",
    r"(quit|borr|elimin|saqu|sac)(e|en|a)(me)? (mi n[uú]mero )?de (su|sus|la|las|esta) (lista|listas|base)",
    r"no quiero (que (me|nos) llamen|(recibir )?(más|mas) llamadas)",
)
_FRENCH: Final = (
    r"(mappelez|mappelle|mappeler|nappelez|appelez) (plus|plus jamais|jamais plus)(?! (tôt|tard|souvent))",
    r"(me|nous) (rappelez|rappelle|appelez|téléphonez|contactez) (plus|jamais)(?! (tôt|tard|souvent))",
    r"(cesse|cessez|arrête|arrêtez|arretez) de (mappeler|nous appeler|me rappeler|me téléphoner|me contacter)",
    r"(retirez|supprimez|enlevez|rayez|effacez) (moi|mon numéro|mon nom) (sil vous plaît )?(de|du)",
    r"(veux|souhaite|voudrais) plus (être (appelé|appelée|rappelé|contacté)|recevoir (dappels|vos appels)|"
    r"que vous mappeliez)",
)
_ITALIAN: Final = (
    r"non (mi |ci )?(chiami|chiamate|chiami|chiamare|richiami|telefoni|contatti) (più|mai più)",
    r"non (chiamatemi|chiamarmi|chiamateci) (più|mai più)",
    r"(smetta|smettete|smettetela|smettila|la smetta|basta) (di |con le )?(chiamarmi|chiamarci|chiamate|telefonarmi)",
    r"(tolga|togliete|toglietemi|cancelli|cancellate|cancellatemi|rimuova|rimuovete)( il mio (numero|nome))? "
    r"(dalla|dalle|dal|dai) ",
    r"non voglio più (essere (chiamato|chiamata)|ricevere|(le )?(vostre )?chiamate|che mi chiami)",
)
_PORTUGUESE: Final = (
    r"não (me |nos )?(ligue|liguem|ligues|telefone|telefonem|chame|chamem) (nunca )?mais",
    r"não volte(m)? a (me )?(ligar|telefonar)",
    r"(pare|parem|pára|para) de (me |nos )?(ligar|telefonar|chamar)",
    r"(retire|retirem|remova|removam|tire|tirem|apague|apaguem) (me |o )?(meu )?(número |nome )?(da|das|do|dos) ",
    r"não quero (mais )?(receber )?(mais )?(chamadas|ligações|telefonemas)",
)
_DUTCH: Final = (
    r"bel(t|len)? (u |jullie )?(me|mij|ons|hier|dit nummer) (alstublieft |alsjeblieft )?(niet|nooit) "
    r"(meer|weer|nog eens|nog een keer|opnieuw)",
    r"(wilt|wil|gelieve|moet|mag|mogen) .{0,40}(niet|nooit) meer (op)?(te )?bellen$",
    r"(stop|stopt|hou|houd|houdt) (u |jullie )?(eens )?(met|op met) (mij |me |ons )?(op)?(te )?bellen",
    r"(haal|haalt|verwijder|verwijdert|schrap) (u )?(mij|me|ons|mijn nummer|dit nummer) (alstublieft )?(van|uit) ",
    r"(niet|nooit) meer gebeld worden",
    r"geen telefoontjes meer",
)
_WANTS_NO_CALLS: Final = re.compile(
    "|".join(rf"\b(?:{each})" for each in (*_ENGLISH, *_GERMAN, *_SPANISH, *_FRENCH, *_ITALIAN, *_PORTUGUESE, *_DUTCH))
)
LONGEST: Final = 2000
"""Characters of a line that are looked at, from its end."""


def wants_no_calls(said: str) -> bool:
    """Whether a line asks not to be called again."""
    plain = unicodedata.normalize("NFC", said[-LONGEST:]).lower().replace("\u2019", "'").replace("'", "")
    return _WANTS_NO_CALLS.search(" ".join(re.findall(r"\w+", plain))) is not None
