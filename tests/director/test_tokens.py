import numpy as np
import pytest

from vidgen.data import source
from vidgen.data.script import PLACES, STEPS, Actor, Script, ScriptError
from vidgen.director import tokens


def test_scripts_go_through_tokens():
    for objects in (1, 2):
        stories = source("stories", objects=objects)
        for n in range(200):
            script, _ = stories.told(n)
            said = tokens.encode(script)
            assert said.shape == (tokens.LENGTH,)
            assert tokens.ALLOWED[np.arange(tokens.LENGTH), said].all()
            assert tokens.decode(said) == script


def test_a_token_means_one_thing():
    kinds = tokens.ALLOWED[: tokens.EACH].astype(int)
    # Legs share their tokens; nothing else does, nor does what begins a script.
    assert (kinds[:4].sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(kinds[3], kinds[4])
    assert not tokens.ALLOWED[:, tokens.BEGIN].any()
    assert tokens.ALLOWED.any(axis=0)[1:].all()


def test_where_steps_lead():
    stations = list(PLACES.values())
    for leg, (down, right) in STEPS.items():
        only = Script(
            actors=(Actor(identity="red square", start="middle", legs=(leg,) + ("stay",) * 2),)
        )
        token = tokens.encode(only)[3]
        for number, (row, column) in enumerate(stations):
            to = (row + down, column + right)
            expected = stations.index(to) if to in stations else -1
            assert tokens.ONWARDS[number, token] == expected
    placed = tokens.encode(only)[2]
    assert (tokens.ONWARDS[:, placed] == stations.index(PLACES["middle"])).all()


def test_what_has_no_tokens_is_refused():
    def actor(identity="red square", start="top"):
        return Actor(identity=identity, start=start, legs=("stay",) * 3)

    with pytest.raises(ValueError, match="'pink' is none of red"):
        tokens.encode(Script(actors=(actor("pink square"),)))
    with pytest.raises(ValueError, match="a colour and a shape"):
        tokens.encode(Script(actors=(actor("small red square"),)))
    three = [actor("red square", place) for place in ("top", "bottom", "left")]
    with pytest.raises(ValueError, match="a script of 3 actors"):
        tokens.encode(Script(actors=tuple(three)))
    said = tokens.encode(Script(actors=(actor(),)))
    with pytest.raises(IndexError, match="is none of red"):
        tokens.decode(said[::-1])
    with pytest.raises(ScriptError):
        tokens.decode(
            np.where(
                np.arange(tokens.LENGTH) >= tokens.EACH, said[: tokens.EACH].tolist() * 2, said
            )
        )
