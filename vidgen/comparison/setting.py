"""What all jobs of one comparison share: sources, sentences, prompts and the judge."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from rich.console import Console

from vidgen import data, registry, text
from vidgen.comparison import records
from vidgen.comparison.experiment import Experiment, shared, to_json
from vidgen.comparison.folder import ComparisonFolder
from vidgen.contract import Generator
from vidgen.evaluation import ClipSet, FeatureJudge, Judge, continuation, protocol
from vidgen.evaluation.arrays import parse_arrays, write_arrays
from vidgen.text import TextEncoder
from vidgen.training import at, check_device
from vidgen.types import HostBatch

_VALIDATION_BATCHES = 4
_CAPTIONS = 2048
"""Clips whose captions word2vec learns from, where each must be made to know what is said of it."""
_WORD2VEC_SEED = 0
_SPEED = ("answer_batch", "latency_repeats")


class Setting:
    """Everything that the jobs of a comparison have in common, built when it is first needed.

    Args:
        experiment: resolved.
        folder: of the comparison; the prompts lie there.

    Attributes:
        console: where the judge shows its progress; None, until somebody sets it, shows none.
    """

    def __init__(self, experiment: Experiment, folder: ComparisonFolder) -> None:
        self.experiment, self.folder = experiment, folder
        self.console: Console | None = None

    def source(self, split: str) -> data.Source:
        """The experiment's source of clips, of one split."""
        experiment = self.experiment
        options = {**experiment.options}
        if split == experiment.train_split:
            options |= experiment.train_options or {}
        return data.source(experiment.source, split=split, **options)

    @functools.cached_property
    def train(self) -> data.Source:
        """What generators learn from."""
        return self.source(self.experiment.train_split)

    @functools.cached_property
    def encoder(self) -> TextEncoder:
        """Sentences to features, the same for every generator."""
        task = self.experiment.task
        wanted = text.Wanted(
            vocabulary=self.train.vocabulary,
            length=task.text_length,
            width=task.text_width,
            learned=lambda: self.learned,
        )
        return text.text_encoder(self.experiment.text_encoder, wanted)

    @functools.cached_property
    def learned(self) -> text.Embeddings:
        """Word2vec's vectors of training's captions; read from disk once a comparison has begun."""
        path = self.folder.word_vectors
        if path.exists():
            header, arrays = parse_arrays(path.read_bytes())
            return text.Embeddings(header["words"], arrays["vectors"])
        captions = data.captions_of(self.train, _CAPTIONS)
        width = self.experiment.task.text_width
        return text.train_word2vec(captions, width=width, seed=_WORD2VEC_SEED)

    def keep(self) -> None:
        """Write down what was learned for all jobs, so that others find the same bits."""
        path = self.folder.word_vectors
        if "learned" in vars(self) and not path.exists():
            learned = self.learned
            header = {"words": list(learned.words)}
            write_arrays(path, {"vectors": learned.vectors}, header=header)

    @functools.cached_property
    def prompts(self) -> ClipSet:
        """The list that every generator answers; drawn once, and read from disk ever after."""
        path = self.folder.prompts(self.experiment.protocol)
        if not path.exists():
            self._drawn.save(path)
        return ClipSet.load(path)

    @functools.cached_property
    def longer_prompts(self) -> ClipSet | None:
        """The same list with the true continuation of each clip, kept on disk likewise; None where
        the source does not know how its clips go on.
        """
        experiment = self.experiment
        path = self.folder.prompts(experiment.longer_protocol)
        if not path.exists():
            source = self.longer_source
            if source is None:
                return None
            continuation(self.prompts, source).save(path)
        return ClipSet.load(path)

    @property
    def longer_source(self) -> data.Source | None:
        """The split of the prompts with longer clips; None where nobody knows how they go on."""
        source = self.source(self.experiment.test_split)
        if not isinstance(source, data.Continues):
            return None
        return source.continued(self.experiment.longer_frames)

    @functools.cached_property
    def validation_prompts(self) -> ClipSet:
        """The list that checkpoints and sampler settings are chosen on; kept on disk likewise."""
        experiment = self.experiment
        path = self.folder.prompts(experiment.validation_protocol)
        if not path.exists():
            self._draw(experiment.validation_split, experiment.sweep_prompts).save(path)
        return ClipSet.load(path)

    @functools.cached_property
    def _drawn(self) -> ClipSet:
        return self._draw(self.experiment.test_split, self.experiment.prompts)

    def _draw(self, split: str, n: int) -> ClipSet:
        experiment = self.experiment
        return protocol(
            self.source(split),
            n=n,
            seed=experiment.prompt_seed,
            context_frames=experiment.task.context_frames,
            context_rate=experiment.context_rate,
        )

    @functools.cached_property
    def judge(self) -> Judge:
        """The judge, who learns from the training split alone."""
        experiment = self.experiment
        return Judge(
            self.train,
            seed=experiment.judge_seed,
            groups=experiment.metrics,
            features=self.features,
        )

    @functools.cached_property
    def features(self) -> FeatureJudge:
        """The judge's networks, which are kept on disk."""
        experiment = self.experiment
        return FeatureJudge(
            self.train,
            config=experiment.in_domain,
            alignment=experiment.alignment,
            detector=experiment.detector,
            validation=self.source(experiment.validation_split),
            seed=experiment.judge_seed,
            folder=self.folder.judge,
            console=self.console,
        )

    def check(self) -> None:
        """Refuse what does not fit together, before anything is written or trained.

        Raises:
            vidgen.data.DataMismatchError: if source, encoder and task do not fit.
            ValueError: if the test split cannot give that many prompts.
        """
        self.check_training()
        if self.folder.holds_court and not self.folder.prompts(self.experiment.protocol).exists():
            _ = self._drawn

    def check_training(self) -> None:
        """The part of `check` that leaves the test split alone.

        Raises:
            vidgen.data.DataMismatchError: if source, encoder and task do not fit.
            ValueError: if a generator does not fit the task, or the precision the device, or if the
                validation split has too few clips for some phase or for a choice among candidates.
        """
        experiment = self.experiment
        check_device(experiment.precision)
        data.check_task(self.train, self.encoder, experiment.task)
        held_out = self.source(experiment.validation_split)
        for name in experiment.generators:
            for phase in self.generator(name).phases():
                size = phase.batch_size
                data.check_validation(held_out, batch_size=size, count=_VALIDATION_BATCHES)
        chosen = bool(experiment.sweeps) or experiment.candidates > 1
        if chosen and experiment.sweep_prompts > len(held_out):
            raise ValueError(
                f"sweep_prompts asks for {experiment.sweep_prompts} prompts to choose on and the "
                f"split {experiment.validation_split!r} of {held_out.name!r} has "
                f"{len(held_out)} clips"
            )

    def variant(self, experiment: Experiment, folder: ComparisonFolder) -> Setting:
        """The same with other configs in another folder, for trainings tried on validation alone.

        Source, encoder, validation prompts and judge are built once and shared.

        Args:
            experiment: differs from this one's in nothing but the configs of its generators.
            folder: where the other one's runs lie.
        """
        _ = self.train, self.encoder, self.validation_prompts, self.judge
        other = copy.copy(self)
        other.experiment, other.folder = experiment, folder
        return other

    def generator(self, name: str) -> Generator:
        """A generator of the experiment, untrained."""
        return registry.entry(name).build(self.experiment.task, self.experiment.generators[name])

    def compiled(self, draw: Callable[..., Any]) -> Any:
        """A generator's way to make clips, jitted at the experiment's precision."""
        return jax.jit(at(self.experiment.precision, draw))

    def batches(self, batch_size: int, seed: int) -> Iterator[HostBatch]:
        """An endless iterator of training batches, whose state a checkpoint can hold; of several
        processes, each has its own rows of them.
        """
        return data.batches(
            self.train,
            self.encoder,
            self.experiment.task,
            batch_size=batch_size,
            seed=seed,
            context_rate=self.experiment.context_rate,
            layout_rate=self.experiment.layout_rate,
            augment=self.experiment.augment,
            shard=(jax.process_index(), jax.process_count()),
        )

    def validation_batches(self, batch_size: int) -> Sequence[HostBatch]:
        """The fixed batches of the validation loss."""
        return data.validation_batches(
            self.source(self.experiment.validation_split),
            self.encoder,
            self.experiment.task,
            batch_size=batch_size,
            count=_VALIDATION_BATCHES,
            context_rate=self.experiment.context_rate,
            layout_rate=self.experiment.layout_rate,
        )

    def training_fingerprint(self, name: str) -> dict[str, Any]:
        """What must not change under a run of a generator while it trains."""
        experiment = self.experiment
        # Only what was changed, so that runs from before it could be go on.
        changed = {}
        if experiment.augment != data.Augment():
            changed["augment"] = records.encode(experiment.augment)
        if experiment.task.objects:
            changed["layout_rate"] = experiment.layout_rate
        if experiment.precision != "float32":
            changed["precision"] = experiment.precision
        return {
            "task": records.encode(experiment.task),
            "config": records.encode(experiment.generators[name]),
            "context_rate": experiment.context_rate,
            "source": self.train.fingerprint,
            "validation": self.source(experiment.validation_split).fingerprint,
            "encoder": self.encoder.fingerprint,
            **changed,
        }

    def asked(self, name: str | None, seed: int | None, share: float) -> dict[str, Any]:
        """All that decides the scores of a job; a finished job with other ones is another job."""
        whole = to_json(self.experiment)
        common = {key: value for key, value in shared(whole).items() if key not in _SPEED}
        if name is None:
            common.pop("budget")
            return common
        swept = (self.experiment.sweeps or {}).get(name)
        candidates = self.experiment.candidates
        chosen_on = {"sweep_prompts": self.experiment.sweep_prompts}
        return common | {
            "generator": name,
            "config": whole["generators"][name],
            "sampler": whole["samplers"].get(name),
            "seed": seed,
            "share": share,
            # Only what is asked, so that what was answered before it could be is not asked anew.
            **({"sweep": records.encode(swept)} if swept else {}),
            **({"candidates": candidates} if candidates > 1 else {}),
            **(chosen_on if swept or candidates > 1 else {}),
        }
