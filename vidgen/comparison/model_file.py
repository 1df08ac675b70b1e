"""A trained generator as one file: weights for sampling, and a card that says what they are.

A run folder holds all that training left behind; a model file holds what it takes to draw clips:
what each phase exported, but to later phases alone, in half precision, with the card as metadata of
the safetensors format, which runs no code when it is read. Its scores are of the rounded weights,
judged anew. Of the text encoder it holds the words, and the vectors that word2vec learned; the
weights of others are to be found where they lay in training.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from vidgen import data, registry, text, zoo
from vidgen.atomic import replacing
from vidgen.comparison import catalogue, records
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import of_run, surroundings
from vidgen.comparison.jobs import Job, restored
from vidgen.comparison.price import read_by_sampling
from vidgen.comparison.question import setting_of, settle
from vidgen.comparison.rows import as_json, rows_of
from vidgen.comparison.sampler import sampler_class
from vidgen.contract import Generator, RollsOut
from vidgen.evaluation import answer
from vidgen.evaluation.arrays import arrays_digest
from vidgen.pretrained import Entry, Weights, WrongWeightsError, port
from vidgen.pretrained import read as read_weights
from vidgen.text import Embeddings, TextEncoder
from vidgen.training import Cost, Precision, exports
from vidgen.types import Params, Task

SCHEMA = 1

_CARD = "vidgen"
"""The metadata's one key."""

_VECTORS = "text/vectors"
"""Of words, where word2vec learned them from the captions of training."""

MOST_SENTENCES = 2048
"""Clips of training, at most, whose captions the card keeps."""

_DECISIVE = ("source", "options", "train_options", "task", "context_rate", "layout_rate")
_DECISIVE += ("augment", "text", "precision")
"""Of an experiment, what decides a training beside the generator's config."""

_BESIDE = ("curve", "horizon", "answers")
"""Of an experiment, what is trained and asked beside it, which costs those who train it again."""

_KEPT = ("oracle_success", "oracle_success_majority", "psnr")
"""Metrics that a card bears."""


class ModelFileError(ValueError):
    """A file that holds no model of this version; the message says what to do."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model file says of itself.

    Attributes:
        generator: as registered.
        config: its own dataclass.
        task: what it was trained for.
        sampler: its settings; None for its default.
        precision: of training.
        source: of the clips it learned from.
        options: of that source.
        seed: of training.
        budget: of training, such as ``"1e+14flops"``.
        cost: what training took: steps, clips, flops, seconds, and the devices.
        command: trains it again; of an experiment that does not come with vidgen it names the file
            that has to be brought.
        encoder: the name of the text encoder.
        vocabulary: of the source, sorted.
        sentences: captions of training, each once, sorted.
        words: of the vectors that word2vec learned, where it is the encoder.
        parameters: numbers in the file.
        scores: what the rounded weights came to, as `vidgen.comparison.rows.Row` without seeds.
        faults: what is known to be wrong with its clips, in words.
        made: versions, device and revision.
    """

    generator: str
    config: Any
    task: Task
    sampler: Any = None
    precision: Precision = "float32"
    source: str
    options: Mapping[str, Any]
    seed: int
    budget: str
    cost: Mapping[str, Any]
    command: str
    encoder: str
    vocabulary: tuple[str, ...]
    sentences: tuple[str, ...]
    words: tuple[str, ...] = ()
    parameters: int
    scores: tuple[Mapping[str, Any], ...] = ()
    faults: str = ""
    made: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def score(self, metric: str, prompts: str) -> Mapping[str, Any] | None:
        """The row of a metric on a kind of prompts; None where it was not measured."""
        rows = (r for r in self.scores if (r["metric"], r["prompts"]) == (metric, prompts))
        return next(rows, None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A file that was read: its card, and what a model is built from."""

    card: ModelCard
    generator: Generator
    params: dict[str, Params]
    encoder: TextEncoder


def export(
    run: str | Path, path: str | Path, *, faults: str = "", console: Console | None = None
) -> ModelCard:
    """Write the trained generator of a run as a model file, after its rounded weights answered the
    run's prompts and were judged.

    Args:
        run: such as ``runs/quick/diffusion/seed-0``.
        path: ending in .safetensors.
        faults: what is known to be wrong with its clips, for the card.
        console: where progress is shown; None shows none.

    Raises:
        FolderError: if there is no run.
        ValueError: for another ending, or a folder that does not exist.
        vidgen.training.CheckpointError: if training has not finished, or a file is damaged.
    """
    path = check(path)
    folder, name, seed, share = of_run(run)
    setting = setting_of(folder)
    asked = setting.experiment
    if name not in asked.generators:
        raise registry.suggest(name, asked.generators, "generator of this experiment")
    generator, params, sampler = restored(Job(generator=name, seed=seed, share=share), setting)
    unread = _unread(generator, asked.task, params, sampler)
    params = {phase: kept for phase, kept in params.items() if phase not in unread}
    arrays = {key: _halved(np.asarray(leaf)) for key, leaf in _leaves(params)}
    budget = str(asked.budget if share == 1.0 else asked.budget.share(share))
    (console or Console(quiet=True)).print(
        f"{name}: answering {len(setting.prompts)} prompts", highlight=False
    )
    clips = answer(
        setting.prompts,
        setting.encoder,
        asked.task,
        functools.partial(
            setting.compiled(generator.sample), _filled(params, arrays), sampler=sampler
        ),
        batch_size=min(asked.answer_batch, len(setting.prompts)),
    )
    scores = setting.judge.judge(clips, setting.prompts)
    kept = {key: score for key, score in scores.items() if key[0] in _KEPT}
    learned = setting.learned if asked.text_encoder == "word2vec" else None
    card = ModelCard(
        generator=name,
        config=asked.generators[name],
        task=asked.task,
        sampler=sampler,
        precision=asked.precision,
        source=asked.source,
        options=asked.options,
        seed=seed,
        budget=budget,
        cost=_cost(Cost.read(folder.run(name, seed, share).path)),
        command=_command(asked, name, seed, budget),
        encoder=asked.text_encoder,
        vocabulary=tuple(sorted(setting.train.vocabulary)),
        sentences=tuple(sorted(set(data.captions_of(setting.train, MOST_SENTENCES)))),
        words=() if learned is None else tuple(learned.words),
        parameters=sum(array.size for array in arrays.values()),
        scores=tuple(as_json(rows_of(kept, generator=name, kind="generator", seed=seed))),
        faults=faults,
        made=surroundings(),
    )
    if learned is not None:
        arrays[_VECTORS] = learned.vectors
    _write(path, card, arrays)
    return card


def check(path: str | Path) -> Path:
    """The path, if a model file can be written there.

    Raises:
        ValueError: for another ending, or a folder that does not exist.
    """
    path = Path(path)
    if path.suffix != zoo.SUFFIX:
        raise ValueError(f"{path.name!r}: a model file ends in {zoo.SUFFIX}")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist")
    return path


def is_address(given: object) -> bool:
    """Whether something names a model file or ``zoo:NAME``, there or not, rather than a run."""
    return str(given).startswith(zoo.PREFIX) or str(given).endswith(zoo.SUFFIX)


def at(address: str | Path) -> Path:
    """The path of a model file, or of ``zoo:NAME``.

    Raises:
        vidgen.registry.UnknownNameError: if the zoo has no such model.
    """
    return zoo.path(str(address)) if str(address).startswith(zoo.PREFIX) else Path(address)


def read_card(path: str | Path) -> ModelCard:
    """The card of a model file; its weights are not read.

    Raises:
        ModelFileError: if the file is absent or damaged, or of a newer version.
        vidgen.registry.UnknownNameError: if its generator is not installed here.
    """
    return _parsed(_metadata(Path(path)), path)


def read(path: str | Path) -> ModelFile:
    """A model file, whole; its weights are checked against their digest and the network's shapes.

    Raises:
        ModelFileError: if the file is absent, damaged, of a newer version, or its weights are not
            those of the network that its card describes; it names each key that is amiss.
        vidgen.registry.UnknownNameError: if its generator is not installed here.
        vidgen.pretrained.MissingWeightsError: if its text encoder is not on this machine.
    """
    path = Path(path)
    metadata = _metadata(path)
    card = _parsed(metadata, path)
    try:
        arrays = read_weights(path)
    except Exception as error:  # of a kind of number that numpy does not have, each fails otherwise
        raise ModelFileError(f"{path} holds weights that cannot be read: {error}") from error
    if arrays_digest(arrays, header=_told(metadata)) != metadata["digest"]:
        raise ModelFileError(f"{path} is damaged: it is not what was written")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ModelFileError(f"{path} holds weights that are not finite")
    vectors = arrays.pop(_VECTORS, None)
    try:
        generator, params = _built(card, arrays)
    except Exception as error:  # whatever a card can say that no network is built, or drawn, with
        raise ModelFileError(f"{path} does not fit this version of vidgen: {error}") from error
    wanted = text.Wanted(
        vocabulary=card.vocabulary,
        length=card.task.text_length,
        width=card.task.text_width,
        learned=lambda: Embeddings(card.words, np.asarray(vectors, np.float32)),
    )
    if card.encoder == "word2vec" and (vectors is None or len(vectors) != len(card.words)):
        raise ModelFileError(f"{path} lacks the vectors of its words")
    encoder = text.text_encoder(card.encoder, wanted)
    return ModelFile(card=card, generator=generator, params=params, encoder=encoder)


def described(card: ModelCard) -> str:
    """A card in a few lines, for people."""
    task = card.task
    asked = [
        f"{label} {row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}] of {row['n']}"
        for prompts, label in (("text", "from a sentence"), ("text+image", "with a first frame"))
        if (row := card.score("oracle_success", prompts)) and row["value"] is not None
    ]
    lines = [
        f"{card.generator} on {card.source}: {task.frames} frames of {task.height}x{task.width} at "
        f"{task.fps} a second, {card.parameters / 1e6:.1f} million parameters",
        f"success {', '.join(asked)}" if asked else "",
        f"drawn with {settings}" if (settings := _chosen(card.sampler)) else "",
        f"trained by: {card.command}",
        f"faults: {card.faults}" if card.faults else "",
    ]
    return "\n".join(line for line in lines if line)


def _chosen(sampler: Any) -> str:
    """Sampler settings that are not the default ones, such as ``"steps=16"``."""
    if sampler is None:
        return ""
    usual, own = (records.encode(one) for one in (type(sampler)(), sampler))
    return ", ".join(f"{path[1:]}={value}" for path, value in _changed(usual, own, ""))


def _write(path: Path, card: ModelCard, arrays: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save

    about = records.encode(card) | {"schema_version": SCHEMA}
    about |= {"digest": arrays_digest(arrays, header=_told(about))}
    content = save(dict(arrays), metadata={_CARD: json.dumps(about, allow_nan=False)})
    with replacing(path) as partial:
        partial.write_bytes(content)


def _told(about: Mapping[str, Any]) -> bytes:
    """All of the card, for the digest, which so holds the words to the weights."""
    return json.dumps({k: v for k, v in about.items() if k != "digest"}, sort_keys=True).encode()


def _metadata(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"there is no model file at {path}")
    try:
        with safe_open(path, "np") as file:
            about = json.loads((file.metadata() or {})[_CARD])
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is no readable safetensors file: {error}") from error
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path} holds weights and no card of vidgen; `vidgen export` writes a model file"
        ) from error
    if not isinstance(about, dict) or not isinstance(about.get("digest"), str):
        raise ModelFileError(f"{path} has a card that vidgen did not write")
    version = about.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA:
        raise ModelFileError(
            f"{path} has schema {version}, newer than this vidgen reads ({SCHEMA}): update vidgen"
        )
    return about


def _parsed(about: Mapping[str, Any], path: str | Path) -> ModelCard:
    """The card in the metadata; a generator's config and sampler are read as its own classes."""
    fields = {k: v for k, v in about.items() if k not in ("schema_version", "digest")}
    config, sampler = fields.pop("config", None), fields.pop("sampler", None)
    try:
        entry = registry.entry(fields["generator"])
        card: ModelCard = records.decode(ModelCard, {**fields, "config": None})
        kind = sampler_class(entry.generator)
        return dataclasses.replace(
            card,
            config=records.decode(entry.config, config),
            sampler=None if sampler is None else records.decode(kind or Any, sampler),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} does not fit this version of vidgen: {error}") from error


def _leaves(params: Mapping[str, Params]) -> Iterator[tuple[str, Any]]:
    """Every array under its place in the tree, such as ``"denoiser/stem/kernel"``."""
    for place, leaf in jax.tree_util.tree_leaves_with_path(dict(params)):
        yield jax.tree_util.keystr(place, simple=True, separator="/"), leaf


def _unread(
    generator: Generator, task: Task, params: Mapping[str, Params], sampler: Any
) -> tuple[str, ...]:
    """Phases whose exports were for later ones alone, such as what MeanFlow begins from. Which they
    are may not depend on the sampler's settings, which those who draw change.
    """
    if isinstance(generator, RollsOut):  # longer clips may read what those of the task do not
        return ()
    read = read_by_sampling(generator, task, params, sampler)
    by_phase = jax.tree.unflatten(jax.tree.structure(dict(params)), read)
    leaves = {phase: jax.tree.leaves(kept) for phase, kept in by_phase.items()}
    return tuple(phase for phase, used in leaves.items() if used and not any(used))


def _built(card: ModelCard, arrays: Weights) -> tuple[Generator, dict[str, Params]]:
    """The generator of a card, with what its phases exported but those that the file leaves out.

    Raises:
        WrongWeightsError: as `_filled`, and if drawing reads what is left out.
    """
    generator = registry.entry(card.generator).build(card.task, card.config)
    shapes = exports(generator)
    there = {key.partition("/")[0] for key in arrays}
    absent = [name for name in shapes if name not in there and jax.tree.leaves(shapes[name])]
    params = _filled({name: shapes[name] for name in shapes if name not in absent}, arrays)
    if absent:
        unread = _unread(generator, card.task, shapes, card.sampler)
        missed = [name for name in absent if name not in unread]
        if missed:
            raise WrongWeightsError(f"it lacks {', '.join(missed)}, which drawing reads")
    return generator, params


def _filled(shapes: Mapping[str, Params], arrays: Weights) -> dict[str, Params]:
    """What phases export, with the arrays of a file.

    Raises:
        WrongWeightsError: naming every key that is missing, unexpected or of a wrong shape.
    """
    wanted = dict(_leaves(shapes))
    found = port(arrays, [Entry(target=k, sources={k: x.shape}) for k, x in wanted.items()])
    leaves = [found[key].astype(shape.dtype) for key, shape in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(dict(shapes)), leaves)


def _halved(array: np.ndarray) -> np.ndarray:
    """Floats in half precision, where every one of them can be told so to one part in a thousand
    of the largest.
    """
    if array.dtype.kind != "f":
        return array
    with np.errstate(over="ignore"):  # what overflows keeps its precision
        half = array.astype(np.float16)
    off = np.abs(half.astype(np.float32) - array).max(initial=0.0)
    return half if off <= 1e-3 * np.abs(array).max(initial=0.0) else array.astype(np.float32)


def _cost(cost: Cost) -> dict[str, Any]:
    devices = [device for phase in cost.phases.values() for device in phase.devices]
    return {
        "steps": cost.steps,
        "clips": cost.clips,
        "flops": cost.flops,
        "training_seconds": round(cost.seconds("train"), 1),
        "devices": list(dict.fromkeys(devices)),
    }


def _command(asked: Experiment, name: str, seed: int, budget: str) -> str:
    """What trains it again: the experiment's own command with what was changed of it. Of one that
    does not come with vidgen, its file has to be brought.
    """
    shipped = asked.name in catalogue.names()
    command = ["vidgen", "train", asked.name if shipped else f"{asked.name}.py", name]
    command += ["--budget", budget, "--seeds", str(seed)]
    if not shipped:
        return shlex.join(command)
    plain = settle(catalogue.find(asked.name).select(generators=[name]), {})
    parts = (*_DECISIVE, *_BESIDE)
    pairs = [(part, getattr(plain, part), getattr(asked, part)) for part in parts]
    pairs.append((name, plain.generators[name], asked.generators[name]))
    changes = [
        f"{path}={value}"
        for head, before, now in pairs
        for path, value in _changed(records.encode(before), records.encode(now), head)
    ]
    return shlex.join([*command, *(["--set", *changes] if changes else [])])


def _changed(before: Any, now: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(now, dict) or isinstance(before, dict):
        before, now = before or {}, now or {}
        for key in [*now, *(key for key in before if key not in now)]:
            yield from _changed(before.get(key), now.get(key), f"{path}.{key}")
    elif before != now:
        is_list = isinstance(now, Sequence) and not isinstance(now, str)
        yield path, ",".join(map(str, now)) if is_list else str(now)
