"""The voice that everything offline speaks with."""

import numpy as np

from parley.offline.flite import load_flite


def test_every_part_of_a_process_that_loads_the_voice_goes_on_speaking() -> None:
    first, second = load_flite(), load_flite()
    assert np.abs(second.speak("Hello there.")).max() > 1000
    assert np.abs(first.speak("Hello there.")).max() > 1000
