"""An experiment: one question to several generators, written down as plain configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vidgen import registry
from vidgen.comparison import records
from vidgen.comparison.sampler import grid, sampler_class
from vidgen.data import Augment, recorded
from vidgen.data.splits import PARTS
from vidgen.evaluation import (
    GROUPS,
    METRICS,
    USUAL_GROUPS,
    AlignmentConfig,
    DetectorConfig,
    Group,
    InDomainConfig,
)
from vidgen.evaluation.metrics import OF_SEVERAL
from vidgen.training import PRECISIONS, Budget, Precision, TrainingConfig
from vidgen.types import ADDED_LATER, Task

LARGE_NETWORKS: tuple[Group, ...] = (
    "i3d",
    "videomae",
    "fid",
    "inception-score",
    "clipsim",
    "lpips",
)
"""Groups of metrics by networks that were trained on many photographs or videos."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is asked of whom, with which means.

    A file in ``experiments/`` defines one as ``experiment = Experiment(...)``; its module's
    docstring states the expected result.

    Attributes:
        name: of the file, and of the run folder.
        expectation: the expected result in words; the docstring of the file where empty.
        task: what every generator is asked for.
        source: name of a source of clips, see `vidgen.data.sources`.
        options: of the source, e.g. ``{"motion": "diagonal"}``.
        train_options: of the source, in place of those above where generators and judge learn from
            it: recordings may be cut into more clips for training than the protocol judges.
        train_split: generators, tokenizers and the judge's recogniser learn from it.
        validation_split: validation loss is measured on it, and choices are made on it.
        test_split: prompts are drawn from it; nothing else ever sees it.
        generators: by name, their config; None takes the default of the registered class.
        samplers: by generator, its own sampler settings; absent for its default.
        budget: of training, a generator and seed.
        seeds: of training; the replicates of the comparison.
        curve: shares of the budget, below 1, at which every generator is trained as well, so that
            quality can be drawn against the budget. Schedules run on the share of the budget that
            is spent, so that each of them is a training of its own.
        prompts: how many each generator answers.
        prompt_seed: which ones.
        context_rate: share of clips, in training and among the prompts, whose first frames are
            given.
        layout_rate: share of training clips that are told where their things are, where
            ``task.objects`` has room for any. The prompts of a comparison tell nobody.
        answer_batch: clips a sampling call; it changes no clip.
        latency_repeats: timed single-clip calls after three warm-ups.
        training: the training loop's settings.
        precision: at which generators are trained and draw, see `vidgen.training.precision`; the
            judge's networks are not meant.
        judge_seed: of the judge's recogniser.
        augment: how training clips are changed; by default not at all.
        compositional: whether every generator is also trained without some combinations of
            identity and motion, and asked for those (see `held_out`). It costs one more training
            a generator and seed.
        equal_flops: of training, models and optimisers together, on which everybody who learns is
            also trained, so that all are compared at the same; None for no such trainings. It costs
            one more training a generator and seed.
        equal_parameters: numbers that sampling reads, to which everybody who learns is sized (see
            `vidgen.comparison.sizing`) and trained so on the same budget; None for no such
            trainings. It costs one more training a generator and seed.
        sweeps: by generator, sampler settings to try, e.g. ``{"diffusion": {"guidance": (1, 2,
            3)}}``; all combinations are tried on validation prompts, and the best one answers.
        candidates: states of each generator's last phase, over the second half of its budget, that
            are kept and tried on validation prompts with every sampler setting; the best one
            answers. 1 takes the end of training untried.
        sweep_prompts: validation prompts that each candidate answers with each setting.
        horizon: how many times as long as the task the clips are in which drift is measured beyond
            training's length (see `vidgen.evaluation.rollout`); 1 for none. It costs that many
            times the answers of the test list, a generator and seed, and no training.
        answers: how often each generator answers every prompt of the test list that gives first
            frames, each time with a key of its own (see `vidgen.evaluation.best_of`); metrics
            against the real clip are told of the mean and of the best of them. 1 for the one
            answer of the test list. It costs the further answers, a generator and seed, and no
            training.
        metrics: groups of metrics that are computed, see `vidgen.evaluation.GROUPS`; each costs
            time and some need the extra ``metrics``.
        in_domain: how the networks of the group "in-domain" are built and trained.
        alignment: how the towers of the group "alignment" are.
        detector: how that of the group "detection" is built and trained.
        text: what turns captions into features, one of `vidgen.text.text_encoders`, such as
            ``"words"``, ``"minilm"`` or ``"glove:/data/glove.6B.300d.txt"``; None for the one that
            fits the source, see `text_encoder`. One with a width of its own decides
            ``task.text_width``.
        attention: prompts of which the report shows what the places of each answer looked at, for
            generators that attend to words; 0 for none. It costs a pass of each such network.

    Raises:
        ValueError: if a value cannot be meant so.
        vidgen.registry.UnknownNameError: if nothing answers to the name of a generator.
    """

    name: str
    task: Task
    expectation: str = ""
    source: str = "digits"
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    train_split: str = "train"
    validation_split: str = "validation"
    test_split: str = "test"
    generators: Mapping[str, Any]
    samplers: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    budget: Budget
    seeds: tuple[int, ...] = (0,)
    curve: tuple[float, ...] = ()
    prompts: int = 256
    prompt_seed: int = 0
    context_rate: float = 0.5
    answer_batch: int = 64
    latency_repeats: int = 20
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    judge_seed: int = 0
    train_options: Mapping[str, Any] | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    precision: Precision = dataclasses.field(default="float32", metadata=ADDED_LATER)
    augment: Augment = dataclasses.field(default=Augment(), metadata=ADDED_LATER)
    compositional: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    equal_flops: float | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    equal_parameters: int | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    sweeps: Mapping[str, Mapping[str, tuple[Any, ...]]] | None = dataclasses.field(
        default=None, metadata=ADDED_LATER
    )
    candidates: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    sweep_prompts: int = dataclasses.field(default=128, metadata=ADDED_LATER)
    horizon: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    answers: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    metrics: tuple[Group, ...] = dataclasses.field(default=USUAL_GROUPS, metadata=ADDED_LATER)
    in_domain: InDomainConfig = dataclasses.field(default=InDomainConfig(), metadata=ADDED_LATER)
    alignment: AlignmentConfig = dataclasses.field(default=AlignmentConfig(), metadata=ADDED_LATER)
    detector: DetectorConfig = dataclasses.field(default=DetectorConfig(), metadata=ADDED_LATER)
    text: str | None = dataclasses.field(default=None, metadata=ADDED_LATER)
    layout_rate: float = dataclasses.field(default=0.5, metadata=ADDED_LATER)
    attention: int = dataclasses.field(default=2, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if not self.generators:
            raise ValueError(f"experiment {self.name!r} has no generators")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different from each other, got {self.seeds}")
        if any(not 0 < share < 1 for share in self.curve):
            raise ValueError(f"the shares of a curve lie between 0 and 1, got {self.curve}")
        for field in ("context_rate", "layout_rate"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} must lie in [0, 1], got {getattr(self, field)}")
        counts = ("prompts", "answer_batch", "latency_repeats", "sweep_prompts")
        counts += ("candidates", "horizon", "answers")
        for field in counts:
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, got {getattr(self, field)}")
        if self.task.objects and self.layout_rate in (0, 1):
            raise ValueError(
                f"layout_rate={self.layout_rate:g}: with task.objects some clips of training tell "
                "where things are and others do not, since both are asked of a generator later; "
                "give a rate between 0 and 1"
            )
        if self.attention < 0:
            raise ValueError(f"attention must not be negative, got {self.attention}")
        if self.equal_flops is not None:
            Budget(self.equal_flops, "flops")  # refuses what is no amount
        if self.equal_parameters is not None and self.equal_parameters < 1:
            raise ValueError(f"equal_parameters must be at least 1, got {self.equal_parameters}")
        for group in self.metrics:
            if group not in GROUPS:
                raise registry.suggest(group, GROUPS, "group of metrics")
        if self.precision not in PRECISIONS:
            raise registry.suggest(self.precision, PRECISIONS, "precision")
        if self.answers > 1:
            self._check_answers()
        strangers = sorted(set(self.samplers) - set(self.generators))
        if strangers:
            raise ValueError(f"sampler settings for {strangers[0]!r}, which does not take part")
        for name, sweep in (self.sweeps or {}).items():
            if name not in self.generators:
                raise ValueError(f"a sweep for {name!r}, which does not take part")
            if not sweep or not all(sweep.values()):
                raise ValueError(f"the sweep of {name!r} has a setting without values")
        splits = (self.train_split, self.validation_split, self.test_split)
        if self.compositional and splits != PARTS:
            raise ValueError(
                f"compositional trains on the compositional counterparts of {', '.join(PARTS)}; "
                f"this experiment names the splits {', '.join(splits)}"
            )

    def _check_answers(self) -> None:
        """Refuse several answers where nothing asks for them, or nothing judges them."""
        if not (self.task.context_frames and self.context_rate):
            raise ValueError(
                f"answers={self.answers} is for prompts that give first frames, and none does: set "
                "answers=1, or task.context_frames and context_rate"
            )
        groups = {METRICS[name].group for name in OF_SEVERAL}
        if not groups & set(self.metrics):
            raise ValueError(
                f"answers={self.answers} wants a group of metrics against the real clip "
                f"({', '.join(sorted(groups))}), and metrics names none"
            )

    def resolve(self) -> Experiment:
        """The same with every default written out, so that it can be recorded."""
        configs, samplers = {}, {}
        for name, config in self.generators.items():
            entry = registry.entry(name)
            configs[name] = entry.config() if config is None else config
            if not isinstance(configs[name], entry.config):
                raise TypeError(
                    f"generator {name!r} takes a {entry.config.__name__}, "
                    f"got a {type(config).__name__}"
                )
            kind = sampler_class(entry.generator)
            sampler = self.samplers.get(name)
            if sampler is not None or kind is not None:
                samplers[name] = kind() if sampler is None and kind is not None else sampler
        sweeps = {
            name: grid(name, sampler_class(registry.entry(name).generator), sweep)
            for name, sweep in (self.sweeps or {}).items()
        }
        return dataclasses.replace(
            self,
            generators=configs,
            samplers=samplers,
            sweeps=sweeps or None,
            train_options=self.train_options or None,
        )

    def held_out(self) -> Experiment:
        """The same question about combinations that training left out.

        A generator that was trained on all combinations cannot say anything about new ones, so
        this is an experiment of its own: trained on ``compositional-train``, selected on
        ``compositional-validation``, and asked for ``compositional-test``, whose pairs of identity
        and motion are in neither, while every identity and every motion is (`vidgen.data.splits`).
        """
        return dataclasses.replace(
            self.alone("compositional"),
            train_split=f"compositional-{self.train_split}",
            validation_split=f"compositional-{self.validation_split}",
            test_split=f"compositional-{self.test_split}",
        )

    def alone(self, what: str) -> Experiment:
        """The same without the further trainings and answers that it may ask for.

        Args:
            what: names it, after this one.
        """
        return dataclasses.replace(
            self,
            name=f"{self.name}-{what}",
            compositional=False,
            equal_flops=None,
            equal_parameters=None,
            curve=(),
            horizon=1,
            answers=1,
        )

    def select(
        self,
        *,
        generators: Sequence[str] | None = None,
        seeds: Sequence[int] | None = None,
        budget: Budget | str | None = None,
    ) -> Experiment:
        """The same with other generators (any registered ones), seeds or budget; None keeps."""
        changes: dict[str, Any] = {}
        if generators is not None:
            for name in generators:
                registry.entry(name)
            changes["generators"] = {name: self.generators.get(name) for name in generators}
            changes["samplers"] = {n: s for n, s in self.samplers.items() if n in generators}
            sweeps = {n: s for n, s in (self.sweeps or {}).items() if n in generators}
            changes["sweeps"] = sweeps or None
        if seeds is not None:
            changes["seeds"] = tuple(seeds)
        if budget is not None:
            changes["budget"] = Budget.parse(budget) if isinstance(budget, str) else budget
        return dataclasses.replace(self, **changes)

    def smoke(self) -> Experiment:
        """The same in seconds, to see that it runs: tiny presets, a few steps and prompts, one
        seed, no metric that rests on a large network, and moving shapes in place of recordings,
        which need not be here. No number of it is a result, as its name and expectation say. Equal
        prices are left out, since those of real presets do not fit tiny ones.
        """
        taken = f" Clips of moving shapes stand in for {self.source}." * recorded(self.source)
        return dataclasses.replace(
            self._without_recordings(),
            name=f"{self.name}-smoke",
            expectation=f"This only shows that {self.name} runs: tiny networks, a few steps and "
            f"prompts.{taken} No number here is a result.",
            seeds=self.seeds[:1],
            precision="float32",
            metrics=tuple(group for group in self.metrics if group not in LARGE_NETWORKS),
            generators={name: registry.entry(name).config.tiny() for name in self.generators},
            samplers={},
            budget=Budget(8, "steps"),
            curve=(),
            equal_flops=None,
            equal_parameters=None,
            prompts=8,
            sweep_prompts=4,
            answer_batch=4,
            latency_repeats=1,
            horizon=min(self.horizon, 2),
            answers=min(self.answers, 2),
            attention=0,
            in_domain=InDomainConfig.tiny(),
            alignment=AlignmentConfig.tiny(),
            detector=DetectorConfig.tiny(),
        )

    def _without_recordings(self) -> Experiment:
        """The same on clips that stand in for those of a source of recordings, of their shape."""
        if not recorded(self.source):
            return self
        task = self.task
        return dataclasses.replace(
            self,
            source=f"stand-in:{self.source}",
            text=None,
            options={
                "frames": task.frames,
                "size": (task.height, task.width),
                "channels": task.channels,
                "words": task.text_length,
            },
            train_options=None,
        )

    @property
    def text_encoder(self) -> str:
        """The name of the text encoder, see `encoder_of`."""
        return encoder_of(self.text, self.source)

    @property
    def protocol(self) -> str:
        """Name of the list of prompts, which tells lists of one folder apart."""
        return f"{self.test_split}-{self.prompts}"

    @property
    def longer_frames(self) -> int:
        """Frames of the clips in which drift is measured beyond training's length."""
        return self.horizon * self.task.frames

    @property
    def longer_protocol(self) -> str:
        """Name of the same list of prompts, with their continuation."""
        return f"{self.protocol}-{self.longer_frames}-frames"

    @property
    def several_protocol(self) -> str:
        """Name of the same list of prompts, with the answers after the first."""
        return f"{self.protocol}-{self.answers}-answers"

    @property
    def validation_protocol(self) -> str:
        """Name of the list of prompts that checkpoints and sampler settings are chosen on."""
        return f"{self.validation_split}-{self.sweep_prompts}"


def encoder_of(text: str | None, source: str) -> str:
    """The name of the text encoder: what was asked for, or else one random direction a word where a
    grammar makes the captions, and MiniLM, which has read other words too, where people write them.

    Args:
        text: `Experiment.text`.
        source: of the clips.
    """
    return text or ("minilm" if recorded(source) else "words")


def to_json(experiment: Experiment) -> records.Json:
    """A resolved experiment as JSON, defaults written out."""
    return records.encode(experiment.resolve())


def from_json(data: records.Json) -> Experiment:
    """The inverse of `to_json`; a generator's config is read as its registered class.

    Raises:
        ValueError: if the data is no experiment of this version.
        vidgen.registry.UnknownNameError: if a generator of it is not installed here.
    """
    data = dict(data)
    configs, samplers = data.pop("generators"), data.pop("samplers")
    sweeps = data.pop("sweeps", None) or {}
    experiment: Experiment = records.decode(Experiment, {**data, "generators": {"": None}})
    built = {n: records.decode(registry.entry(n).config, c) for n, c in configs.items()}
    settings = {
        name: records.decode(sampler_class(registry.entry(name).generator) or Any, sampler)
        for name, sampler in samplers.items()
    }
    tried = {
        name: {field: tuple(values) for field, values in sweep.items()}
        for name, sweep in sweeps.items()
    }
    return dataclasses.replace(
        experiment, generators=built, samplers=settings, sweeps=tried or None
    )


def decisive(data: records.Json) -> records.Json:
    """What decides the numbers: all but how training is watched and saved."""
    return {key: value for key, value in data.items() if key != "training"}


def shared(data: records.Json) -> records.Json:
    """What all runs of one folder have in common: all that is decisive but who takes part."""
    free = ("generators", "samplers", "seeds", "curve", "name", "expectation", "compositional")
    free += ("sweeps", "sweep_prompts", "candidates", "horizon", "answers")
    free += ("equal_flops", "equal_parameters")
    return {key: value for key, value in decisive(data).items() if key not in free}
