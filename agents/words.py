"""What every persona says in its own name, whoever it is."""

from agents.contract import EndReason

APOLOGY = "I am sorry, something went wrong on my side. Could you say that again?"
BRIDGE = "I am sorry, I was gone for a moment."
"""Of a persona that goes on in the place of one that was lost."""
SORRY = "I am sorry, I cannot go on at the moment. Please try again later. Goodbye."
"""Where nothing answers any more."""
UNHEARD = "I am sorry, I did not catch that. Could you say it again?"
PATIENCE = ("One moment, please.", "I am still on it, one more moment.")
"""Where an answer is late."""
WARNING = "I am sorry, but our time is nearly up: we have one minute left."
ONE_MOMENT = "One moment please, I will see who can help you."
NOBODY_FREE = "I am sorry, nobody is free to take your call at the moment."
GOODBYES: dict[EndReason, str] = {
    "persona_ended": "Thank you for calling. Goodbye.",
    "max_duration": "We have reached the time limit of this call. Goodbye.",
    "silence": "I have not heard anything for a while, so I will hang up. Goodbye.",
}
GOODBYE = "I am sorry, I have to end our call here. Thank you for calling, and goodbye."
"""For every other reason: what a platform can afford is no matter of the caller's."""
