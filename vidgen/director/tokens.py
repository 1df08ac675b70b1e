"""Scripts as tokens: six an actor, each of its own kind, so that any choice can be read.

::

    colour shape place leg leg leg  colour shape place leg leg leg
    red    square top  left down stay  nobody -     -    -   -   -

Where there are fewer actors, "nobody" stands in place of a colour, and the rest says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int

from vidgen.data.script import LEGS, PLACES, STEPS, Actor, Script
from vidgen.data.shapes import COLOURS, SHAPES

ACTORS = 2
"""The most that a script has room for."""

NOBODY, NOTHING = "nobody", "-"

_KINDS: tuple[tuple[str, ...], ...] = (
    (*COLOURS, NOBODY),
    (*SHAPES, NOTHING),
    (*PLACES, NOTHING),
    *[(*STEPS, NOTHING)] * LEGS,
)
"""What the tokens of an actor may be."""

EACH = len(_KINDS)
"""Tokens an actor."""

LENGTH = ACTORS * EACH
"""Tokens of a script."""

_FIRST: Mapping[tuple[str, ...], int] = {
    kind: 1 + sum(len(other) for other in dict.fromkeys(_KINDS[:n]) if other != kind)
    for n, kind in enumerate(_KINDS)
}
"""The number of the first token of each kind; 0 begins a script."""

SIZE = 1 + sum(map(len, dict.fromkeys(_KINDS)))
"""Of the vocabulary."""

BEGIN = 0


def encode(script: Script) -> Int[np.ndarray, "M"]:
    """The tokens of a script.

    Raises:
        ValueError: for more actors than there is room for, or an identity that has no tokens.
    """
    if len(script.actors) > ACTORS:
        raise ValueError(f"a script of {len(script.actors)} actors; there is room for {ACTORS}")
    said: list[str] = []
    for actor in script.actors:
        said += [*actor.identity.split(" "), actor.start, *actor.legs]
    said += [NOBODY, *[NOTHING] * (EACH - 1)] * (ACTORS - len(script.actors))
    if len(said) != LENGTH:
        raise ValueError(f"identities are a colour and a shape, got {script.identity}")
    tokens = []
    for place, word in enumerate(said):
        kind = _KINDS[place % EACH]
        if word not in kind:
            raise ValueError(f"{word!r} is none of {', '.join(kind)}")
        tokens.append(_FIRST[kind] + kind.index(word))
    return np.array(tokens, np.int32)


def decode(tokens: Sequence[int] | np.ndarray) -> Script:
    """The script of tokens, each of its own kind.

    Raises:
        ScriptError: if it cannot be played.
        IndexError: for a token of another kind.
    """
    said = []
    for place, token in enumerate(tokens):
        kind = _KINDS[place % EACH]
        number = int(token) - _FIRST[kind]
        if not 0 <= number < len(kind):
            raise IndexError(f"token {token} is none of {', '.join(kind)}")
        said.append(kind[number])
    actors = []
    for begin in range(0, LENGTH, EACH):
        colour, shape, start, *legs = said[begin : begin + EACH]
        if colour != NOBODY:
            actors.append(Actor(identity=f"{colour} {shape}", start=start, legs=tuple(legs)))
    return Script(actors=tuple(actors))


def _allowed() -> Bool[np.ndarray, "M S"]:
    found = np.zeros((LENGTH, SIZE), bool)
    for place in range(LENGTH):
        kind = _KINDS[place % EACH]
        found[place, _FIRST[kind] : _FIRST[kind] + len(kind)] = True
    # The first actor is somebody.
    found[0, _FIRST[_KINDS[0]] + _KINDS[0].index(NOBODY)] = False
    return found


ALLOWED = _allowed()
"""Which tokens may stand at each place, whatever stands at the others."""

NOBODY_TOKEN = _FIRST[_KINDS[0]] + _KINDS[0].index(NOBODY)

NOTHING_TOKENS: Bool[np.ndarray, "S"] = np.array(
    [
        any(token == _FIRST[kind] + kind.index(NOTHING) for kind in _KINDS[1:])
        for token in range(SIZE)
    ]
)
"""bool [SIZE], the tokens that say nothing, which follow nobody and no one else."""


def _onwards() -> Int[np.ndarray, "9 S"]:
    """The station that each token leads to from each, -1 for off the stage."""
    stations = list(PLACES.values())
    found = np.tile(np.arange(len(stations))[:, None], (1, SIZE))
    kind = _KINDS[-1]
    for leg, (down, right) in STEPS.items():
        token = _FIRST[kind] + kind.index(leg)
        for number, (row, column) in enumerate(stations):
            to = (row + down, column + right)
            found[number, token] = stations.index(to) if to in stations else -1
    for number, name in enumerate(PLACES):
        found[:, _FIRST[_KINDS[2]] + _KINDS[2].index(name)] = number
    return found


ONWARDS = _onwards()
"""Where an actor stands after each token, from each of the nine stations; -1 for off the stage."""
