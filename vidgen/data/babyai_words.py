"""The words of the BabyAI language, from the grammar and not from the clips that happen to be read.

A mission is an action (go to, pick up, open, put next to) on objects, or two of them joined by
"and", or two of those joined by ", then" or "after you". An object is a colour, a kind and perhaps
a place as seen by the agent.
"""

from __future__ import annotations

from typing import Any

from vidgen.data.babyai_episode import make_level, minigrid, start
from vidgen.text import words

_VERBS = ("go to", "pick up", "open", "put", "next to", "and", ", then", "after you", "a", "the")
_PLACES = {
    "left": "on your left",
    "right": "on your right",
    "front": "in front of you",
    "behind": "behind you",
}
_ANYTHING = "object"

_OBJECT_WORDS = 3
_PLACE_WORDS = max(len(place.split()) for place in _PLACES.values())

_SEEDS = 64
"""Episodes whose missions show the forms that a level has. A level chooses evenly among four forms
at the most, so that one is missed with a probability of 10⁻⁸; it is the same for everybody."""


def vocabulary() -> tuple[str, ...]:
    """Every word that a mission of any level may hold and the full stop, sorted."""
    minigrid()
    from minigrid.core.constants import COLOR_NAMES
    from minigrid.envs.babyai.core.verifier import LOC_NAMES, OBJ_TYPES

    places = [_PLACES[name] for name in LOC_NAMES]
    phrases = (*_VERBS, *places, *COLOR_NAMES, *OBJ_TYPES, _ANYTHING, ".")
    return tuple(sorted({word for phrase in phrases for word in words(phrase)}))


def most_words(level: str) -> int:
    """The most words of a mission of a level, without a full stop.

    For levels that speak the whole grammar this follows from what they allow; for the others from
    the longest filling of the forms that their missions take.
    """
    env = make_level(level)
    if hasattr(env, "instr_kinds"):
        one = max(_action_words(kind, env.locations) for kind in env.action_kinds)
        joined = {"action": one, "and": 2 * one + 1, "seq": 2 * (2 * one + 1) + 2}
        return max(joined[kind] for kind in env.instr_kinds)
    missions = [start(level, seed).instrs for seed in range(_SEEDS)]
    located = any(_located(mission) for mission in missions)
    return max(_form_words(mission, located) for mission in missions)


def _action_words(kind: str, located: bool) -> int:
    """Words of an action whose objects are described at most."""
    thing = _OBJECT_WORDS + (_PLACE_WORDS if located else 0)
    return {"goto": 2, "pickup": 2, "open": 1, "putnext": 3}[kind] + thing * (
        2 if kind == "putnext" else 1
    )


def _form_words(mission: Any, located: bool) -> int:
    from minigrid.envs.babyai.core import verifier

    if isinstance(mission, verifier.SeqInstr):
        join = 1 if isinstance(mission, verifier.AndInstr) else 2
        parts = (mission.instr_a, mission.instr_b)
        return join + sum(_form_words(part, located) for part in parts)
    kinds = {
        verifier.GoToInstr: "goto",
        verifier.PickupInstr: "pickup",
        verifier.OpenInstr: "open",
        verifier.PutNextInstr: "putnext",
    }
    return _action_words(kinds[type(mission)], located)


def _located(mission: Any) -> bool:
    if hasattr(mission, "instr_a"):
        return _located(mission.instr_a) or _located(mission.instr_b)
    descriptions = (getattr(mission, name, None) for name in ("desc", "desc_move", "desc_fixed"))
    return any(d is not None and d.loc is not None for d in descriptions)
