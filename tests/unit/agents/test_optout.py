"""Who asks not to be called again, in the languages of personas; and who does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.optout import wants_no_calls

ASK = {
    "en": [
        "Please stop calling me.",
        "Don’t call me again!",
        "Do not ever call here again.",
        "Never call this number again, okay?",
        "Take me off your list.",
        "Remove my number from your database please",
        "Put me on your do-not-call list.",
        "I'd like to opt out.",
        "No more calls, please.",
        "I don't want any more calls from you.",
        "Look, I told you yesterday. Quit calling us.",
        "Just lose my number.",
        "I do not want to be called any more",
    ],
    "de": [
        "Rufen Sie mich bitte nicht mehr an.",
        "Rufen Sie hier nie wieder an!",
        "Bitte nicht mehr anrufen.",
        "Ich möchte nicht mehr angerufen werden.",
        "Hören Sie auf, mich anzurufen.",
        "Keine weiteren Anrufe bitte.",
        "Streichen Sie mich von Ihrer Liste.",
        "Löschen Sie bitte meine Nummer.",
        "Sie sollen mich nicht mehr anrufen",
    ],
    "es": [
        "No me llame más, por favor.",
        "No vuelvan a llamarme.",
        "No me vuelva a llamar nunca.",
        "Deje de llamarme.",
        "Quite mi número de su lista.",
        "No quiero que me llamen.",
    ],
    "fr": [
        "Ne m'appelez plus.",
        "Ne me rappelez plus jamais, merci.",
        "Arrêtez de m’appeler.",
        "Retirez-moi de votre liste.",
        "Supprimez mon numéro de vos fichiers.",
        "Je ne veux plus être appelé.",
    ],
    "it": [
        "Non mi chiami più.",
        "Non chiamatemi più, grazie.",
        "La smetta di chiamarmi.",
        "Cancelli il mio numero dalla lista.",
        "Non voglio più ricevere telefonate.",
    ],
    "pt": [
        "Não me ligue mais.",
        "Não me liguem nunca mais!",
        "Parem de ligar.",
        "Retire o meu número da lista.",
        "Não quero mais receber ligações.",
    ],
    "nl": [
        "Belt u mij niet meer.",
        "Bel me nooit meer!",
        "Stop met bellen.",
        "Haal mijn nummer van de lijst.",
        "Ik wil niet meer gebeld worden.",
        "Wilt u mij niet meer bellen",
    ],
}
DO_NOT = [
    "Don't stop calling me, I like it.",
    "Can you call me again tomorrow?",
    "Please call me back later.",
    "Don't call me again before nine.",
    "I never called you.",
    "Nobody calls me any more.",
    "You may take the box off the list price.",
    "They told me you would call.",
    "I want to stop the subscription but keep the phone.",
    "My daughter never calls.",
    "It keeps ringing and then it stops.",
    "Is there a list of your opening hours?",
    "Rufen Sie mich morgen wieder an.",
    "Ich kann nicht mehr anrufen, mein Guthaben ist leer.",
    "Können Sie mich bitte noch einmal anrufen?",
    "Nehmen Sie mich ernst.",
    "Ich rufe nie wieder so spät an.",
    "Llámeme más tarde, por favor.",
    "No, llame mañana.",
    "Appelez-moi plus tard.",
    "Ne m'appelez plus tard que midi, c'est tout.",
    "Je voudrais plus d'informations.",
    "Mi chiami più tardi.",
    "Pode ligar mais tarde?",
    "Me ligue mais tarde, por favor.",
    "Belt u mij later nog eens.",
    "Ik kan niet meer bellen vanavond.",
    "",
    "Yes.",
    "No thank you.",
]


@pytest.mark.parametrize("said", [line for lines in ASK.values() for line in lines])
def test_whoever_asks_not_to_be_called_again_is_heard(said: str) -> None:
    assert wants_no_calls(said)
    assert wants_no_calls(said.upper()) or "ß" in said
    assert wants_no_calls(f"Well, listen: {said}")


@pytest.mark.parametrize("said", DO_NOT)
def test_what_only_sounds_like_it_is_let_pass(said: str) -> None:
    assert not wants_no_calls(said)


@given(st.text(max_size=5000))
def test_whatever_is_said_is_judged(said: str) -> None:
    wants_no_calls(said)
