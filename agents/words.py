"""What every persona says in its own name, whoever it is, in the languages that it may speak."""

from dataclasses import dataclass
from typing import Final, Literal

from agents.contract import EndReason


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language."""

    language: str
    apology: str
    recorded: str
    """Before anything is recorded."""
    bridge: str
    """Of a persona that goes on in the place of one that was lost."""
    sorry: str
    """Where nothing answers any more."""
    unheard: str
    patience: tuple[str, str]
    """Where an answer is late."""
    warning: str
    one_moment: str
    nobody_free: str
    introduction: str
    """To somebody who is to take a call: `{name}` is the persona's."""
    last_words: str
    """Of the caller, `{words}`."""
    take_call: str
    connected: str
    goodbye: str
    """For every reason without a goodbye of its own: what a platform can afford is no matter of the caller's."""
    goodbyes: dict[EndReason | Literal["opted_out"], str]

    def goodbye_for(self, reason: EndReason | Literal["opted_out"]) -> str:
        """What is said before a call ends for this reason; `opted_out`: to whoever wants no more calls."""
        return self.goodbyes.get(reason, self.goodbye)


ENGLISH: Final = Words(
    language="en",
    apology="I am sorry, something went wrong on my side. Could you say that again?",
    recorded="This call is recorded.",
    bridge="I am sorry, I was gone for a moment.",
    sorry="I am sorry, I cannot go on at the moment. Please try again later. Goodbye.",
    unheard="I am sorry, I did not catch that. Could you say it again?",
    patience=("One moment, please.", "I am still on it, one more moment."),
    warning="I am sorry, but our time is nearly up: we have one minute left.",
    one_moment="One moment please, I will see who can help you.",
    nobody_free="I am sorry, nobody is free to take your call at the moment.",
    introduction="This is {name}, with a caller for you.",
    last_words="Their last words were: {words}.",
    take_call="Press one, or say yes, to take the call. Press two, or say no, to leave it.",
    connected="You are connected.",
    goodbye="I am sorry, I have to end our call here. Thank you for calling, and goodbye.",
    goodbyes={
        "persona_ended": "Thank you for calling. Goodbye.",
        "opted_out": "I am sorry to have bothered you. You will not be called again. Goodbye.",
        "max_duration": "We have reached the time limit of this call. Goodbye.",
        "silence": "I have not heard anything for a while, so I will hang up. Goodbye.",
    },
)
GERMAN: Final = Words(
    language="de",
    apology="Es tut mir leid, bei mir ist etwas schiefgegangen. Können Sie das bitte noch einmal sagen?",
    recorded="Dieses Gespräch wird aufgezeichnet.",
    bridge="Es tut mir leid, ich war einen Moment lang weg.",
    sorry="Es tut mir leid, ich kann im Moment nicht weitermachen. Bitte versuchen Sie es später noch einmal. "
    "Auf Wiederhören.",
    unheard="Entschuldigung, das habe ich nicht verstanden. Können Sie es bitte wiederholen?",
    patience=("Einen Moment, bitte.", "Ich bin noch dabei, einen Moment noch."),
    warning="Es tut mir leid, unsere Zeit ist fast um: Wir haben noch eine Minute.",
    one_moment="Einen Moment bitte, ich sehe nach, wer Ihnen helfen kann.",
    nobody_free="Es tut mir leid, im Moment kann niemand Ihren Anruf annehmen.",
    introduction="Hier ist {name}, ich habe jemanden für Sie am Telefon.",
    last_words="Zuletzt wurde gesagt: {words}.",
    take_call="Drücken Sie die Eins oder sagen Sie Ja, um das Gespräch anzunehmen. Drücken Sie die Zwei oder sagen "
    "Sie Nein, um es abzulehnen.",
    connected="Sie sind verbunden.",
    goodbye="Es tut mir leid, ich muss unser Gespräch hier beenden. Vielen Dank für Ihren Anruf und auf Wiederhören.",
    goodbyes={
        "persona_ended": "Vielen Dank für Ihren Anruf. Auf Wiederhören.",
        "opted_out": "Entschuldigen Sie die Störung. Sie werden nicht mehr angerufen. Auf Wiederhören.",
        "max_duration": "Wir haben die Höchstdauer dieses Gesprächs erreicht. Auf Wiederhören.",
        "silence": "Ich habe eine Weile nichts gehört und lege deshalb auf. Auf Wiederhören.",
    },
)
SPANISH: Final = Words(
    language="es",
    apology="Lo siento, algo ha fallado por mi parte. ¿Puede repetirlo, por favor?",
    recorded="Esta llamada se graba.",
    bridge="Lo siento, me he ausentado un momento.",
    sorry="Lo siento, no puedo continuar en este momento. Por favor, inténtelo más tarde. Adiós.",
    unheard="Perdone, no le he entendido. ¿Puede repetirlo?",
    patience=("Un momento, por favor.", "Sigo en ello, un momento más."),
    warning="Lo siento, se nos acaba el tiempo: nos queda un minuto.",
    one_moment="Un momento, por favor, voy a ver quién puede ayudarle.",
    nobody_free="Lo siento, en este momento nadie puede atender su llamada.",
    introduction="Le habla {name}, tengo a alguien al teléfono para usted.",
    last_words="Sus últimas palabras fueron: {words}.",
    take_call="Pulse uno o diga sí para aceptar la llamada. Pulse dos o diga no para rechazarla.",
    connected="Están conectados.",
    goodbye="Lo siento, tengo que terminar aquí nuestra llamada. Gracias por llamar y adiós.",
    goodbyes={
        "persona_ended": "Gracias por su llamada. Adiós.",
        "opted_out": "Disculpe la molestia. No volveremos a llamarle. Adiós.",
        "max_duration": "Hemos llegado al límite de tiempo de esta llamada. Adiós.",
        "silence": "Hace un rato que no oigo nada, así que voy a colgar. Adiós.",
    },
)
FRENCH: Final = Words(
    language="fr",
    apology="Excusez-moi, un problème est survenu de mon côté. Pouvez-vous répéter, s'il vous plaît ?",
    recorded="Cet appel est enregistré.",
    bridge="Excusez-moi, nous avons été coupés un instant.",
    sorry="Excusez-moi, je ne peux pas continuer pour le moment. Veuillez réessayer plus tard. Au revoir.",
    unheard="Excusez-moi, je n'ai pas compris. Pouvez-vous répéter ?",
    patience=("Un instant, s'il vous plaît.", "J'y travaille encore, un instant de plus."),
    warning="Notre temps est presque écoulé : il nous reste une minute.",
    one_moment="Un instant, s'il vous plaît, je regarde qui peut vous aider.",
    nobody_free="Je regrette, personne ne peut prendre votre appel pour le moment.",
    introduction="Ici {name}, j'ai quelqu'un en ligne pour vous.",
    last_words="Ses derniers mots étaient : {words}.",
    take_call="Appuyez sur un ou dites oui pour prendre l'appel. Appuyez sur deux ou dites non pour le refuser.",
    connected="Vous êtes en relation.",
    goodbye="Je regrette, je dois mettre fin à notre appel. Merci de votre appel et au revoir.",
    goodbyes={
        "persona_ended": "Merci de votre appel. Au revoir.",
        "opted_out": "Excusez-moi de vous avoir dérangé. Nous ne vous appellerons plus. Au revoir.",
        "max_duration": "Nous avons atteint la durée maximale de cet appel. Au revoir.",
        "silence": "Je n'entends rien depuis un moment, je vais donc raccrocher. Au revoir.",
    },
)
ITALIAN: Final = Words(
    language="it",
    apology="Mi scusi, c'è stato un problema da parte mia. Può ripetere, per favore?",
    recorded="Questa chiamata viene registrata.",
    bridge="Mi scusi, la linea si è interrotta per un momento.",
    sorry="Mi dispiace, al momento non posso continuare. La prego di riprovare più tardi. Arrivederci.",
    unheard="Mi scusi, non ho capito. Può ripetere?",
    patience=("Un momento, per favore.", "Ci sto ancora lavorando, ancora un momento."),
    warning="Mi dispiace, il tempo sta per scadere: ci resta un minuto.",
    one_moment="Un momento, per favore, vedo chi può aiutarla.",
    nobody_free="Mi dispiace, al momento nessuno può rispondere alla sua chiamata.",
    introduction="Sono {name}, ho una persona in linea per lei.",
    last_words="Le sue ultime parole sono state: {words}.",
    take_call="Prema uno o dica sì per accettare la chiamata. Prema due o dica no per rifiutarla.",
    connected="Siete in linea.",
    goodbye="Mi dispiace, devo terminare qui la nostra chiamata. Grazie per aver chiamato e arrivederci.",
    goodbyes={
        "persona_ended": "Grazie per aver chiamato. Arrivederci.",
        "opted_out": "Mi scusi per il disturbo. Non la chiameremo più. Arrivederci.",
        "max_duration": "Abbiamo raggiunto la durata massima di questa chiamata. Arrivederci.",
        "silence": "Non sento nulla da un po', quindi riaggancio. Arrivederci.",
    },
)
PORTUGUESE: Final = Words(
    language="pt",
    apology="Desculpe, algo deu errado do meu lado. Pode repetir, por favor?",
    recorded="Esta chamada é gravada.",
    bridge="Desculpe, estive ausente por um momento.",
    sorry="Desculpe, não posso continuar neste momento. Por favor, tente novamente mais tarde. Até logo.",
    unheard="Desculpe, não entendi. Pode repetir?",
    patience=("Um momento, por favor.", "Só mais um momento, por favor."),
    warning="O nosso tempo está quase no fim: resta um minuto.",
    one_moment="Um momento, por favor, vou ver quem pode ajudar.",
    nobody_free="Desculpe, neste momento ninguém pode atender a sua chamada.",
    introduction="Aqui é {name}, tenho uma pessoa em linha para si.",
    last_words="As suas últimas palavras foram: {words}.",
    take_call="Prima um ou diga sim para atender a chamada. Prima dois ou diga não para a recusar.",
    connected="Estão ligados.",
    goodbye="Desculpe, tenho de terminar aqui a nossa chamada. Agradeço o contato e até logo.",
    goodbyes={
        "persona_ended": "Agradeço a sua chamada. Até logo.",
        "opted_out": "Desculpe o incômodo. Não ligaremos mais. Até logo.",
        "max_duration": "Chegamos ao limite de tempo desta chamada. Até logo.",
        "silence": "Não ouço nada há algum tempo, por isso vou desligar. Até logo.",
    },
)
DUTCH: Final = Words(
    language="nl",
    apology="Het spijt me, er ging iets mis aan mijn kant. Kunt u dat nog eens zeggen?",
    recorded="Dit gesprek wordt opgenomen.",
    bridge="Het spijt me, ik was even weg.",
    sorry="Het spijt me, ik kan op dit moment niet verder. Probeert u het later nog eens. Tot ziens.",
    unheard="Sorry, dat heb ik niet verstaan. Kunt u het herhalen?",
    patience=("Een moment, alstublieft.", "Ik ben er nog mee bezig, nog een moment."),
    warning="Het spijt me, onze tijd is bijna om: we hebben nog één minuut.",
    one_moment="Een moment alstublieft, ik kijk wie u kan helpen.",
    nobody_free="Het spijt me, op dit moment kan niemand uw gesprek aannemen.",
    introduction="U spreekt met {name}, ik heb iemand voor u aan de lijn.",
    last_words="De laatste woorden waren: {words}.",
    take_call="Druk op één of zeg ja om het gesprek aan te nemen. Druk op twee of zeg nee om het te weigeren.",
    connected="U bent verbonden.",
    goodbye="Het spijt me, ik moet ons gesprek hier beëindigen. Bedankt voor uw gesprek en tot ziens.",
    goodbyes={
        "persona_ended": "Bedankt voor uw gesprek. Tot ziens.",
        "opted_out": "Excuses voor het storen. U wordt niet meer gebeld. Tot ziens.",
        "max_duration": "We hebben de tijdslimiet van dit gesprek bereikt. Tot ziens.",
        "silence": "Ik hoor al een tijdje niets, dus ik hang op. Tot ziens.",
    },
)
LANGUAGES: Final = {words.language: words for words in (ENGLISH, GERMAN, SPANISH, FRENCH, ITALIAN, PORTUGUESE, DUTCH)}


def words_of(tag: str) -> Words:
    """The sentences of a language by its tag (BCP 47): `pt-BR` has those of `pt`, what is not there those of `en`."""
    return LANGUAGES.get(tag.split("-")[0].lower(), ENGLISH)
