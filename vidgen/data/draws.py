"""Random numbers of one clip: a function of its source and its index, and of nothing else."""

from __future__ import annotations

import hashlib

_WORD = 2**64 - 1
_GAMMA = 0x9E3779B97F4A7C15


def salt(name: str) -> int:
    """What tells the draws of one sequence of clips from those of another, by name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


class Draws:
    """SplitMix64: a generator that costs a microsecond to seed, where numpy's costs twenty.

    Args:
        salt: of the sequence.
        index: of the clip.

    References: Steele, Lea & Flood, "Fast splittable pseudorandom number generators" (2014).
    """

    def __init__(self, salt: int, index: int) -> None:
        self._state = _mix(salt + index * _GAMMA)

    def below(self, count: int) -> int:
        """A uniform integer in [0, count)."""
        self._state = (self._state + _GAMMA) & _WORD
        return _mix(self._state) * count >> 64


def _mix(word: int) -> int:
    word &= _WORD
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & _WORD
    return word ^ word >> 31
