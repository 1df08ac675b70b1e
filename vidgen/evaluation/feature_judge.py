"""What feature networks say of answers: the metrics of whole sets."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from etils import epath
from rich.console import Console
from rich.progress import Progress

from vidgen import bucket
from vidgen.data import Source
from vidgen.evaluation.alignment import alignment_scores
from vidgen.evaluation.caption_swap import caption_swap
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.detection.network import DetectorConfig, DetectorNetwork
from vidgen.evaluation.detection.training import train_detector
from vidgen.evaluation.detection.verdicts import examine_detected, motion_of_boxes
from vidgen.evaluation.diversity import diversity
from vidgen.evaluation.features.alignment import (
    AlignmentConfig,
    AlignmentNetwork,
    train_alignment,
)
from vidgen.evaluation.features.brought import EXCUSES
from vidgen.evaluation.features.c3d import load_c3d
from vidgen.evaluation.features.cache import FeatureCache
from vidgen.evaluation.features.clip import load_clip
from vidgen.evaluation.features.feature import FeatureNetwork, UnsuitableClipsError, not_computed
from vidgen.evaluation.features.i3d import load_i3d
from vidgen.evaluation.features.in_domain import KINDS, InDomainConfig, InDomainNetwork, Kind
from vidgen.evaluation.features.in_domain_training import InDomainTraining
from vidgen.evaluation.features.inception import load_inception
from vidgen.evaluation.features.targets import of_prompts
from vidgen.evaluation.features.videomae import load_videomae
from vidgen.evaluation.fid import fid_scores, of_frames
from vidgen.evaluation.frechet import frechet_estimate
from vidgen.evaluation.inception_score import score_of
from vidgen.evaluation.kernel import kernel_score
from vidgen.evaluation.memorisation import memorisation
from vidgen.evaluation.metrics import METRICS, Group, Stratum
from vidgen.evaluation.motion_fit import MotionModel
from vidgen.evaluation.prdc import prdc_scores
from vidgen.evaluation.statistics import average
from vidgen.types import Score

Measured = Callable[[np.ndarray, Stratum], Mapping[str, Score]]
"""Scores by metric of some rows (bool [N]), which are those of a stratum."""

KERNEL_DISTANCES: Mapping[Kind, str] = {
    "resnet3d": "kvd_in_domain",
    "resnet2plus1d": "kvd_in_domain_2plus1d",
    "random": "kvd_in_domain_random",
}
"""The kernel distance of each in-domain network."""

_TRAINING_CLIPS = 2048
"""Among which the nearest is looked for, so that a copy of any other passes unseen."""


class FeatureJudge:
    """Judges sets of clips by in-domain networks and by frozen ones.

    Args:
        train: the training split: what the in-domain networks learn from, and what memorisation is
            measured against.
        config: of the in-domain networks.
        validation: what their accuracy is measured on.
        seed: of their training.
        alignment: how the towers of alignment are built and trained.
        detector: how the detector is built and trained.
        folder: where networks and features lie; None keeps them in memory.
        console: where progress is shown.
    """

    def __init__(
        self,
        train: Source,
        *,
        config: InDomainConfig | None = None,
        alignment: AlignmentConfig | None = None,
        detector: DetectorConfig | None = None,
        validation: Source | None = None,
        seed: int = 0,
        folder: epath.PathLike | None = None,
        console: Console | None = None,
    ) -> None:
        self._training = InDomainTraining(train, config=config, validation=validation, seed=seed)
        self._folder = None if folder is None else bucket.anywhere(folder)
        self._console = console
        self.features = FeatureCache(
            None if self._folder is None else self._folder / "features", console=console
        )
        self._networks: dict[Kind, InDomainNetwork] = {}
        self._alignment = alignment
        self._towers: AlignmentNetwork | None = None
        self._detector_config = detector
        self._detector: DetectorNetwork | None = None

    def network(self, kind: Kind = "resnet3d") -> InDomainNetwork:
        """An in-domain network: from its file if there is one, else trained now and saved.

        Raises:
            UnsuitableClipsError: if nothing tells the clips apart that it could learn from.
            ValueError: if its file is damaged, or of another training.
        """
        if kind not in self._networks:
            self._networks[kind] = self._found(kind)
        return self._networks[kind]

    def in_domain(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "in-domain"."""
        try:
            networks: dict[Kind, InDomainNetwork] = {kind: self.network(kind) for kind in KINDS}
            pairs: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
                kind: (self._of(network, real), self._of(network, clips))
                for kind, network in networks.items()
            }
            trained_on = self._training_features
        except UnsuitableClipsError as reason:
            return absent("in-domain", str(reason))

        def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
            scores = {
                KERNEL_DISTANCES[kind]: _named(
                    kernel_score(ours[rows], theirs[rows], paired=True), networks[kind]
                )
                for kind, (ours, theirs) in pairs.items()
            }
            ours, theirs = (features[rows] for features in pairs[KINDS[0]])
            network, asked = networks[KINDS[0]], real[rows]
            scores |= _frechet(ours, theirs, network, "in_domain")
            scores |= prdc_scores(ours, theirs)
            scores["memorisation"] = memorisation(trained_on, ours, theirs)
            if stratum == "text":
                scores["diversity"] = diversity(ours, theirs, asked.captions)
                said = network.probabilities(theirs)
                wanted = network.card.targets(of_prompts(asked))
                scores["caption_swap"] = caption_swap(said, wanted, asked.captions)
            return scores

        return measured

    def alignment(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "alignment", which the real clips have no part in but by what
        they are called.
        """
        try:
            towers = self.towers()
            seen = self._of(towers, clips)
            told = towers.text(real.captions)
        except UnsuitableClipsError as reason:
            return absent("alignment", str(reason))

        def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
            found = alignment_scores(seen[rows], told[rows], real[rows].captions)
            return {name: _named(score, towers) for name, score in found.items()}

        return measured

    def towers(self) -> AlignmentNetwork:
        """The two towers of alignment: from their file if there is one, else trained now and saved.

        Raises:
            UnsuitableClipsError: if the clips have no captions that differ.
            ValueError: if the file is damaged, or of another training.
        """
        if self._towers is None:
            path = None if self._folder is None else self._folder / "networks" / "alignment.npz"
            with self._bar("alignment of clips and captions") as progress:
                self._towers = train_alignment(
                    self._training.source,
                    config=self._alignment,
                    validation=self._training.validation,
                    seed=self._training.seed,
                    path=path,
                    progress=progress,
                )
        return self._towers

    def detection(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "detection"."""
        try:
            network = self.detector()
            verdicts = examine_detected(network, clips, real, motion=self._motion_of_boxes)
        except UnsuitableClipsError as reason:
            return absent("detection", str(reason))
        measures, given = verdicts.measures(), real.given
        missing = absent("detection", "the truth of these clips does not say it")

        def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
            found = {
                name: measure.score(
                    rows, given=given, better=METRICS[name].better, note=network.name
                )
                for name, measure in measures.items()
            }
            return {**missing(rows, stratum), **found}

        return measured

    def detector(self) -> DetectorNetwork:
        """The detector: from its file if there is one, else trained now and saved.

        Raises:
            UnsuitableClipsError: if the clips have no truth of boxes and masks.
            ValueError: if the file is damaged, or of another training.
        """
        if self._detector is None:
            path = None if self._folder is None else self._folder / "networks" / "detector.npz"
            with self._bar("detector of objects") as progress:
                self._detector = train_detector(
                    self._training.source,
                    config=self._detector_config,
                    validation=self._training.validation,
                    seed=self._training.seed,
                    path=path,
                    progress=progress,
                )
        return self._detector

    @functools.cached_property
    def _motion_of_boxes(self) -> MotionModel | None:
        return motion_of_boxes(self._training.source)

    def i3d(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "i3d"."""
        return self._distances("i3d", load_i3d, clips, real)

    def videomae(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "videomae"."""
        return self._distances("videomae", load_videomae, clips, real)

    def fid(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metrics of the group "fid"."""
        try:
            network = load_inception()
            look = functools.partial(self.features, network)
            ours, theirs = of_frames(look, real.video), of_frames(look, clips.video)
        except EXCUSES as reason:
            return absent("fid", not_computed(reason))
        return lambda rows, stratum: fid_scores(ours[rows], theirs[rows], network.name)

    def inception_score(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metric of the group "inception-score", which the real clips have no part in."""
        try:
            network = load_c3d()
            said = self._of(network, clips)
        except EXCUSES as reason:
            return absent("inception-score", not_computed(reason))
        return lambda rows, stratum: {"inception_score": score_of(said[rows], network.name)}

    def clipsim(self, clips: ClipSet, real: ClipSet) -> Measured:
        """The metric of the group "clipsim", which the real clips have no part in but by what they
        are called.
        """
        try:
            network = load_clip()
            seen, told = self._of(network, clips), network.text(real.captions)
        except EXCUSES as reason:
            return absent("clipsim", not_computed(reason))
        likeness = np.einsum("nd,nd->n", seen, told)
        return lambda rows, stratum: {"clipsim": _named(average(likeness[rows]), network)}

    def _distances(
        self, group: Group, load: Callable[[], FeatureNetwork], clips: ClipSet, real: ClipSet
    ) -> Measured:
        """The kernel and Fréchet distances of a frozen network, which has the group's name."""
        try:
            network = load()
            ours, theirs = self._of(network, real), self._of(network, clips)
        except EXCUSES as reason:
            return absent(group, not_computed(reason))

        def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
            distance = kernel_score(ours[rows], theirs[rows], paired=True)
            return {
                f"kvd_{group}": _named(distance, network),
                **_frechet(ours[rows], theirs[rows], network, group),
            }

        return measured

    def _of(self, network: FeatureNetwork, clips: ClipSet) -> np.ndarray:
        """The features of a set of clips, whose pixels are hashed once for all networks."""
        return self.features(network, clips.video, digest=clips.pixel_digest)

    @functools.cached_property
    def _training_features(self) -> np.ndarray:
        """Of training clips."""
        return self.features(self.network(), self._training.clips.video[:_TRAINING_CLIPS])

    def _found(self, kind: Kind) -> InDomainNetwork:
        path = None if self._folder is None else self._folder / "networks" / f"{kind}.npz"
        with self._bar(f"in-domain network, {kind}") as progress:
            return self._training(kind, path=path, progress=progress)

    @contextlib.contextmanager
    def _bar(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Shows how far a training is."""
        with Progress(console=self._console, transient=True, disable=self._console is None) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def absent(group: Group, why: str) -> Measured:
    """Every metric of a group without a value, and why."""
    missing = {
        metric.name: Score.missing(why, better=metric.better)
        for metric in METRICS.values()
        if metric.group == group
    }
    return lambda rows, stratum: missing


def _frechet(
    real: np.ndarray, fake: np.ndarray, network: FeatureNetwork, suffix: str
) -> dict[str, Score]:
    at_n, limit = f"fvd_{suffix}", f"fvd_{suffix}_infinity"
    try:
        found = frechet_estimate(real, fake)
    except ValueError as reason:
        return {name: Score.missing(str(reason), better="lower") for name in (at_n, limit)}
    return {
        at_n: _named(found.score, network),
        limit: _named(found.limit, network),
    }


def _named(score: Score, network: FeatureNetwork) -> Score:
    return dataclasses.replace(score, note=f"{network.name}; {score.note}")
