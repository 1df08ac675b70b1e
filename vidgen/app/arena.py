"""The arena: two answers to one prompt, from hidden families, and what a visitor prefers."""

from __future__ import annotations

import dataclasses
import random
import secrets
import threading

import numpy as np
from jaxtyping import UInt8

from vidgen.comparison.folder import ComparisonFolder, FolderError
from vidgen.comparison.votes import Ballot, answers_of, cast, protocol_of, seen
from vidgen.evaluation.preference import Preferred

_OPEN = 10_000
"""Pairs that may be shown and not yet voted on; the oldest are forgotten beyond."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """Two clips without names.

    Attributes:
        ticket: by which a vote says what it is about; good for one vote.
        caption: that both answer.
        given: whether the first frame was given.
        left: uint8 [T H W C].
        right: likewise.
        fps: frames a second.
    """

    ticket: str
    caption: str
    given: bool
    left: UInt8[np.ndarray, "T H W C"]
    right: UInt8[np.ndarray, "T H W C"]
    fps: int


class Arena:
    """Pairs of a comparison's answers, and the votes on them.

    Args:
        folder: of a finished comparison.
        seed: of the order of pairs; None draws one.

    Raises:
        FolderError: if it holds no comparison, or fewer than two generators have answered.
    """

    def __init__(self, folder: ComparisonFolder, *, seed: int | None = None) -> None:
        self.folder = folder
        self._protocol, self._answers = protocol_of(folder), answers_of(folder)
        if len(self._answers) < 2:
            raise FolderError(
                f"{folder.path} has answers of {len(self._answers)} generators: an arena needs two"
            )
        self._rng = random.Random(seed)
        self._open: dict[str, tuple[str, str, int]] = {}
        self._lock = threading.Lock()

    @property
    def generators(self) -> list[str]:
        """Who is shown."""
        return list(self._answers)

    def show(self) -> Shown:
        """Two answers to a prompt, each pair, prompt and side as likely as another."""
        with self._lock:
            first, second = self._rng.sample(self.generators, 2)
            answers = self._answers[first]
            prompt = self._rng.randrange(len(answers))
            ticket = secrets.token_hex(16)
            self._open[ticket] = (first, second, prompt)
            while len(self._open) > _OPEN:
                del self._open[next(iter(self._open))]
        return Shown(
            ticket=ticket,
            caption=answers.captions[prompt],
            given=bool(answers.context_mask[prompt]),
            left=answers.video[prompt],
            right=self._answers[second].video[prompt],
            fps=answers.fps,
        )

    def vote(self, ticket: str, preferred: Preferred, visitor: str) -> tuple[str, str]:
        """Keep a vote, and tell who they were: (left, right).

        Args:
            ticket: of what was shown.
            preferred: "first" is the left one.
            visitor: a name that says nothing of the person.

        Raises:
            ValueError: for a ticket that is not known, or was voted on before.
            OSError: if the vote could not be kept; the ticket stays good.
        """
        with self._lock:
            found = self._open.pop(ticket, None)
        if found is None:
            raise ValueError("this pair was voted on, or is not known any more; look at another")
        first, second, prompt = found
        ballot = Ballot(
            first=first,
            second=second,
            preferred=preferred,
            visitor=visitor,
            protocol=self._protocol,
            prompt=prompt,
            clips=(seen(self._answers[first], prompt), seen(self._answers[second], prompt)),
        )
        try:
            cast(self.folder, ballot)
        except OSError:
            with self._lock:
                self._open[ticket] = found
            raise
        return first, second
