"""A comparison as a folder would hold it, made without training anything."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from vidgen import registry
from vidgen.comparison import experiment as experiments
from vidgen.comparison import records
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder, surroundings, write_json
from vidgen.comparison.rows import Row, as_json, rows_of
from vidgen.evaluation import METRICS, ClipSet, Confusion, TruthSet
from vidgen.evaluation.observations import FrameCurve, Observations
from vidgen.training import Budget, Cost, PhaseCost
from vidgen.types import Score, Task

TASK = Task(frames=4, height=16, width=16, channels=1, context_frames=1)
PROMPTS = 8
BUDGET = Budget(100, "seconds")
SUCCESS = {"gan": 0.3, "autoregressive": 0.7, "diffusion": 0.9, "copy-first-frame": 0.0}
FAMILIES = ("gan", "autoregressive", "diffusion", "copy-first-frame")


def moving_squares(n=PROMPTS, task=TASK, seed=0) -> ClipSet:
    """Real clips: a bright square that moves one pixel a frame."""
    rng = np.random.default_rng(seed)
    video = np.zeros((n, *task.video_shape), np.uint8)
    for clip in video:
        top, left = rng.integers(0, task.height - 8, 2)
        for t, frame in enumerate(clip):
            frame[top + t : top + t + 4, left : left + 4] = 255
    return ClipSet(
        video=video,
        captions=tuple(f"the digit {i % 10} is moving down" for i in range(n)),
        context_frames=task.context_frames,
        context_mask=np.arange(n) % 2 == 1,
        keys=np.arange(n, dtype=np.uint32),
        truth=TruthSet(
            identity=tuple((str(i % 10),) for i in range(n)),
            motion=(("down",),) * n,
            boxes=np.zeros((n, task.frames, 1, 4), np.float32),
        ),
    )


def score_rows(who, kind, seed, value, share=1.0):
    """Rows of every primary metric about a value."""
    heights = {
        "oracle_success": value,
        "oracle_success_majority": value,
        "drift_identity": (value - 1) / 10,
        "psnr": 10 + 10 * value,
    }
    scores = {
        (metric, prompts): Score(
            value=height,
            low=height - 0.05,
            high=height + 0.05,
            n=PROMPTS,
            note="Wilson over prompts",
        )
        for metric, height in heights.items()
        for prompts in METRICS[metric].strata
    }
    return rows_of(scores, generator=who, kind=kind, seed=seed, share=share)


WRONGNESS = [0.5, 1.0, 9.0, 0.2, 3.0, None, 0.1, 0.7]
"""Trajectory error by clip; the sixth shows nothing to measure."""


def seen(value) -> Observations:
    """What a judge saw: identity that decays from `value` on, and one confusion in two."""
    frames = np.linspace(value, value / 2, TASK.frames)
    right = np.arange(100)[:, None] < 100 * frames[None, :]
    curves = [
        FrameCurve.of(right, metric="identity", prompts=prompts, better="higher")
        for prompts in ("all", "text", "text+image")
    ]
    counts = np.array([[3, 1, 0], [0, 2, 2]])
    confusion = Confusion(classes=("0", "1"), seen=("0", "1", "unknown"), counts=counts)
    return Observations(curves=tuple(curves), confusions={"identity": confusion})


def write_run(run, who, kind, seed, value, *, share=1.0, real, trained=True):
    """A finished run folder."""
    noise = np.random.default_rng(len(who)).integers(0, 60, real.video.shape, dtype=np.uint8)
    answers = real.replace(video=np.maximum(real.video, noise))
    answers.save(run.samples(f"test-{PROMPTS}"))
    write_json(
        run.scores,
        {
            "generator": who,
            "seed": seed,
            "share": share,
            "protocol": f"test-{PROMPTS}",
            "hash": "",
            "asked": {},
            "rows": as_json(score_rows(who, kind, seed, value, share)),
            "per_clip": {"oracle_success": [i < value * PROMPTS for i in range(PROMPTS)]},
            "observed": {who: seen(value).to_json()},
            "clips": [{"metric": "trajectory_error_px", "prompts": "all", "values": WRONGNESS}],
        },
    )
    if kind == "anchor":
        return
    write_json(
        run.price,
        {
            "parameters": 1_000_000 * len(who),
            "sampling_p50": 0.01 * len(who),
            "sampling_p95": 0.02 * len(who),
            "sampling_rate": 100.0,
            "sampling_flops": 1e9 * len(who),
        },
    )
    phases = {}
    if trained:
        names = ["tokenizer", "prior"] if who == "autoregressive" else ["main"]
        lines = [{"schema_version": 1}]
        for name in names:
            timeline = [[step, step * 0.5 * share] for step in range(10, 201, 10)]
            phases[name] = PhaseCost(
                steps=200,
                clips=3200,
                parameters=1_000_000,
                model_flops=10**9,
                optimizer_flops=10**7,
                seconds={"compile": 9.0, "train": 100.0 * share},
                timeline=timeline,
            )
            for step in range(10, 201, 10):
                loss = 3 / np.sqrt(step) + 0.02 * np.sin(step)
                lines.append({"phase": name, "step": step, "split": "train", "loss": loss})
                if step % 20 == 0:
                    lines.append(
                        {"phase": name, "step": step, "split": "validation", "loss": loss + 0.1}
                    )
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    Cost(generator=who, seed=seed or 0, budget="100s", phases=phases).write(Path(run.path))


def synthetic(path, *, seeds=(0,), curve=(), budget=BUDGET) -> ComparisonFolder:
    """A comparison of three families and a baseline, as if all had been trained."""
    folder = ComparisonFolder.at(path)
    experiment = Experiment(
        name="synthetic",
        task=TASK,
        expectation="diffusion leads",
        generators=dict.fromkeys(FAMILIES),
        budget=budget,
        seeds=seeds,
        curve=curve,
        prompts=PROMPTS,
    ).resolve()
    data = experiments.to_json(experiment)
    cards = {n: dataclasses.asdict(registry.entry(n).generator.card) for n in FAMILIES}
    write_json(
        folder.experiment,
        {
            "hash": records.fingerprint(data),
            "experiment": data,
            "order": list(FAMILIES),
            "cards": cards,
            "anchors": ["held-out-real", "shuffled-captions"],
            **surroundings(),
        },
    )
    real = moving_squares()
    real.save(folder.prompts(experiment.protocol))
    for name, value in {"held-out-real": 0.99, "shuffled-captions": 0.01}.items():
        write_run(folder.anchor(name), name, "anchor", None, value, real=real)
    passed = {"value": 0.99, "low": 0.97, "high": 1.0, "n": 8, "better": "higher", "note": "Wilson"}
    shares = {"real": passed, "second-object": {**passed, "value": 0.0, "low": 0.0, "high": 0.01}}
    observed = {"real": seen(1.0).to_json()}
    write_json(folder.oracle, {"own_error": shares, "why": "", "observed": observed})
    for seed in seeds:
        for share in (1.0, *curve):
            for name, value in SUCCESS.items():
                value = value * share**0.3 + 0.01 * seed
                run = folder.run(name, seed, share)
                trained = name != "copy-first-frame"
                write_run(
                    run, name, "generator", seed, value, share=share, real=real, trained=trained
                )
    return folder


def _write_selection(run, tried, *, chosen, metric="oracle_success", half=0.1):
    """What a sweep of "steps" leaves behind; `tried` has each one's value on validation.

    A step takes 10 ms, and 20 ms at the worst.
    """
    rows = {
        steps: Row(
            generator=run.path.parent.name,
            kind="generator",
            seed=int(run.path.name.removeprefix("seed-")),
            metric=metric,
            value=value,
            low=value - half,
            high=value + half,
            n=PROMPTS,
            note="Wilson over prompts",
        )
        for steps, value in tried.items()
    }
    write_json(
        run.selection,
        {
            "asked": {},
            "metric": metric,
            "prompts": "all",
            "chosen": {"method": "euler", "steps": list(tried)[chosen]},
            "chosen_setting": chosen,
            "tried": [
                {
                    "sampler": {"method": "euler", "steps": steps},
                    "rows": as_json([row]),
                    "price": {"sampling_p50": 0.01 * steps, "sampling_p95": 0.02 * steps},
                }
                for steps, row in rows.items()
            ],
        },
    )


@pytest.fixture(scope="session", autouse=True)
def _figures(figures_drawn_once):
    """Reports here share their figures."""


@pytest.fixture
def write_selection():
    """`_write_selection`."""
    return _write_selection


@pytest.fixture(name="moving_squares")
def _moving_squares():
    """`moving_squares`, for tests that want prompts of their own."""
    return moving_squares


@pytest.fixture(scope="session")
def make_comparison():
    """`synthetic`, for tests that want a folder of their own."""
    return synthetic


@pytest.fixture(scope="session")
def comparison(tmp_path_factory) -> ComparisonFolder:
    """One synthetic comparison that nobody changes."""
    return synthetic(tmp_path_factory.mktemp("comparison") / "runs")
