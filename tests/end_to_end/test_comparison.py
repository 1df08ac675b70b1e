"""Whole comparisons through the command line: finished, interrupted, resumed, refused."""

import csv
import functools
import io
import json
import os
import re
import shutil
import signal
import struct
import zlib

import numpy as np
import pytest

import vidgen
from vidgen import registry
from vidgen.cli import main
from vidgen.comparison import jobs, report
from vidgen.comparison.catalogue import find
from vidgen.comparison.rows import PRICES
from vidgen.evaluation import ClipSet, FeatureJudge, InDomainConfig, psnr
from vidgen.training import devices_here, read_metrics
from vidgen.training.progress import Display

RUNS = ("toy/seed-0", "toy-bright/seed-0", "copy-first-frame/seed-0")


def quality(folder):
    """The rows of a comparison without what a clock says."""
    rows = json.loads((folder / "results.json").read_text())["rows"]
    return [row for row in rows if row["metric"] not in PRICES]


def same_numbers(one, other):
    for run in RUNS:
        if not run.startswith("copy"):
            logs = [(folder / run / "metrics.jsonl").read_bytes() for folder in (one, other)]
            assert logs[0] == logs[1]
        clips = [ClipSet.load(f / run / "samples" / "test-8.npz").video for f in (one, other)]
        np.testing.assert_array_equal(*clips)
    assert quality(one) == quality(other)


def at_call(monkeypatch, owner, name, number, do):
    """Do something at a call of a function, before the call itself."""
    original, calls = getattr(owner, name), []

    def counted(*arguments, **options):
        calls.append(None)
        if len(calls) == number:
            do()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls


def test_a_finished_comparison_leaves_everything_behind(undisturbed):
    for run in RUNS:
        for file in ("scores.json", "cost.json", "price.json", "samples/test-8.npz"):
            assert (undisturbed / run / file).is_file(), (run, file)
    assert (undisturbed / "report.html").stat().st_size > 10_000
    rows = quality(undisturbed)
    real = [
        r for r in rows if r["generator"] == "held-out-real" and r["metric"] == "oracle_success"
    ]
    assert {row["prompts"] for row in real} == {"all", "text", "text+image"}
    assert all(row["value"] > 0.5 for row in real)
    toys = [r for r in rows if r["generator"] == "toy" and r["metric"] == "oracle_success"]
    assert all(row["value"] < 0.5 for row in toys)
    told = json.loads((undisturbed / "results.json").read_text())["devices"]
    assert told.keys() == {devices_here()}


def test_a_collapse_stands_in_the_log_and_in_the_report(undisturbed, tmp_path):
    """By the sign that its phase states; `same_numbers` sees to it that a resume changes no row."""
    rows = read_metrics(undisturbed / "toy-bright/seed-0")
    (alarm,) = [row for row in rows if row["split"] == "alarm"]
    # Below 0.7 from the third step on.
    assert alarm.pop("value") == pytest.approx(1 - 4 / 6)
    said = {"what": "collapse", "metric": "variety", "limit": 0.7}
    assert alarm == {"phase": "mean", "step": 5, "split": "alarm"} | said
    assert not any(r["split"] == "alarm" for r in read_metrics(undisturbed / "toy/seed-0"))
    page = (undisturbed / "report.html").read_text()
    (line,) = re.findall(r"toy-bright<small>seed 0</small>(.*?)</tr>", page, re.S)
    assert re.findall(r"<td.*?>(.*?)</td>", line) == [
        "mean",
        "5",
        "collapse: variety",
        "0.333",
        "0.7",
        "1",
    ]
    with (undisturbed / "tables/alarms.csv").open() as file:
        cells = {c["column"]: c["value"] for c in csv.DictReader(file)}
    assert (cells["step"], cells["limit"]) == ("5.0", "0.7")

    # Of a log without alarms the page says so, and of an older one that nothing is known.
    quiet = shutil.copytree(undisturbed, tmp_path / "runs")
    log = quiet / "toy-bright/seed-0/metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    for left_out, words in (
        (
            ("alarm",),
            "no loss spiked, and none of the 1 that state a sign of collapse",
        ),
        (("alarm", "watch"), "trained before there were alarms: toy-bright, seed 0."),
    ):
        log.write_text("".join(x for x in lines if not any(f'"{w}"' in x for w in left_out)))
        assert main(["report", str(quiet)]) == 0
        assert words in (quiet / "report.html").read_text()
        assert not (quiet / "tables/alarms.csv").exists()


def test_what_a_tokenizer_leaves_of_real_clips_stands_apart_from_answers(undisturbed, tmp_path):
    rows = [r for r in quality(undisturbed) if r["protocol"] == "reconstruction"]
    found = {row["metric"]: row for row in rows}
    assert {"psnr", "ssim"} <= found.keys()
    who = "reconstruction (toy-bright)"
    # A ceiling, which no table takes for the score of the generator that it is named after.
    assert {(row["generator"], row["kind"]) for row in rows} == {(who, "anchor")}
    clips = [
        ClipSet.load(undisturbed / path).video
        for path in ("toy-bright/seed-0/samples/test-8-reconstruction.npz", "prompts/test-8.npz")
    ]
    assert found["psnr"]["value"] == pytest.approx(psnr(*clips).mean())
    assert found["psnr"]["low"] < found["psnr"]["value"] < found["psnr"]["high"]
    with (undisturbed / "tables/reconstruction.csv").open() as file:
        cells = {(c["line"], c["column"]): c["value"] for c in csv.DictReader(file)}
    assert float(cells["psnr:all", who]) == found["psnr"]["value"]
    assert "What the tokenizers leave" in (undisturbed / "report.html").read_text()

    # A folder that was judged before there were such rows is read without them.
    older = shutil.copytree(undisturbed, tmp_path / "runs")
    path = older / "toy-bright/seed-0/scores.json"
    scores = json.loads(path.read_text())
    del scores["reconstruction"]
    path.write_text(json.dumps(scores))
    assert main(["report", str(older)]) == 0
    assert quality(older) == [r for r in quality(undisturbed) if r not in rows]
    assert "What the tokenizers leave" not in (older / "report.html").read_text()


@pytest.mark.fault(5)
def test_interrupted_training_goes_on_to_the_same_numbers(
    experiment, undisturbed, tmp_path, capsys
):
    out = tmp_path / "runs"
    command = ["compare", experiment, "--out", str(out)]
    # The third step of the first family; then, after its last three, the third of the second.
    for number, step, code in ((signal.SIGINT, 3, 130), (signal.SIGTERM, 6, 143)):
        with pytest.MonkeyPatch.context() as patch:
            at_call(patch, Display, "update", step, functools.partial(os.kill, os.getpid(), number))
            with pytest.raises(SystemExit) as stopped:
                main(command)
        assert stopped.value.code == code
        assert "To go on:" in capsys.readouterr().out
    assert (out / RUNS[0] / "scores.json").exists()
    assert not (out / RUNS[1] / "scores.json").exists()
    assert main(command) == 0
    same_numbers(out, undisturbed)


@pytest.mark.slow
@pytest.mark.fault(20)
@pytest.mark.parametrize("bucket", ["memory", "s3", "gs"], indirect=True)
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # gcsfs
def test_a_comparison_in_a_bucket_is_that_of_a_folder_stopped_or_not(
    bucket, experiment, undisturbed, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = ["compare", experiment, "--out", str(bucket)]
    stop = functools.partial(os.kill, os.getpid(), signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        at_call(patch, Display, "update", 3, stop)
        with pytest.raises(SystemExit):
            main(command)
    saved = list((bucket / RUNS[0] / "checkpoints/mean").iterdir())
    assert saved
    assert all((step / "manifest.json").exists() for step in saved)
    assert main(command) == 0
    same_numbers(bucket, undisturbed)
    left = {name for name in bucket.below() if "seed-0/checkpoints" not in name}
    assert left == {
        path.relative_to(undisturbed).as_posix()
        for path in undisturbed.rglob("*")
        if path.is_file() and "seed-0/checkpoints" not in path.as_posix()
    }

    found = report(bucket)
    assert str(found.report) == f"{bucket}/report.html"
    assert main(["report", str(bucket)]) == 0
    assert main(["evaluate", f"{bucket}/toy/seed-0"]) == 0
    same_numbers(bucket, undisturbed)
    told = ("--text", "the digit 3 is moving up and left", "--out", "clip.gif")
    assert main(["sample", f"{bucket}/toy/seed-0", *told]) == 0
    assert (tmp_path / "clip.gif").stat().st_size
    mine, theirs = (vidgen.load(f / "toy" / "seed-0") for f in (bucket, undisturbed))
    text = list(ClipSet.load(bucket / "prompts" / "test-8.npz").captions[:1])
    np.testing.assert_array_equal(mine.sample(text, seed=1), theirs.sample(text, seed=1))
    assert not [path for path in tmp_path.iterdir() if path.name != "clip.gif"]


@pytest.mark.fault(16)
def test_evaluation_killed_midway_goes_on_without_training_or_sampling_again(
    experiment, undisturbed, tmp_path
):
    out = tmp_path / "runs"
    command = ["compare", experiment, "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        original = jobs._judge

        def judge(run, *arguments, **options):
            if options["generator"] == "toy-bright":
                raise KeyboardInterrupt
            original(run, *arguments, **options)

        patch.setattr(jobs, "_judge", judge)
        with pytest.raises(SystemExit) as stopped:
            main(command)
    assert stopped.value.code == 130
    samples = out / RUNS[1] / "samples" / "test-8.npz"
    before = samples.stat().st_mtime_ns
    with pytest.MonkeyPatch.context() as patch:
        updates = at_call(patch, Display, "update", 0, lambda: None)
        assert main(command) == 0
        assert not updates
    assert samples.stat().st_mtime_ns == before
    same_numbers(out, undisturbed)


def test_the_report_is_rebuilt_from_disk_with_no_model_in_sight(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "runs")
    for path in folder.glob("*/seed-*/checkpoints"):
        shutil.rmtree(path)
    before = (folder / "results.json").read_bytes()
    (folder / "results.json").unlink()
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "results.json").read_bytes() == before
    assert (folder / "report.html").read_bytes() == (undisturbed / "report.html").read_bytes()


def test_scores_are_recomputed_from_the_clips(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "runs")
    scores = folder / RUNS[0] / "scores.json"
    good = scores.read_text()
    scores.write_text(good.replace('"value": 0.0', '"value": 0.25'))
    older = folder / RUNS[1] / "scores.json"  # from before rebuilt clips had rows of their own
    whole = older.read_text()
    older.write_text(json.dumps({**json.loads(whole), "reconstruction": []}))
    assert main(["report", str(folder), "--recompute"]) == 0
    assert scores.read_text() == good
    assert older.read_text() == whole
    assert quality(folder) == quality(undisturbed)


def test_another_question_in_the_same_folder_is_refused_with_the_difference(
    experiment, undisturbed, capsys
):
    command = ["compare", experiment, "--out", str(undisturbed)]
    assert main([*command, "--budget", "7steps"]) == 2
    assert "budget.amount: 6 became 7.0" in capsys.readouterr().err
    assert main([*command, "--set", "toy.rate=0.25"]) == 2
    assert "config.rate: 0.5 became 0.25" in capsys.readouterr().err


def test_a_seed_can_be_added_and_then_counts(experiment, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "runs")
    command = ["compare", experiment, "--out", str(folder), "--generators", "toy"]
    assert main([*command, "--seeds", "1"]) == 0
    data = json.loads((folder / "results.json").read_text())
    found = [r for r in data["summary"] if (r["generator"], r["metric"]) == ("toy", "psnr")]
    assert found[0]["note"] == "t over 2 seeds"
    assert len({row["seed"] for row in data["rows"] if row["generator"] == "toy"}) == 2
    assert "toy-bright" in {row["generator"] for row in data["rows"]}


def test_one_familys_fault_does_not_cost_the_others_their_numbers(experiment, tmp_path, capsys):
    out = tmp_path / "runs"
    command = ["compare", experiment, "--out", str(out)]
    assert main([*command, "--generators", "toy-broken", "copy-first-frame"]) == 1
    assert "the brush broke" in capsys.readouterr().out
    rows = quality(out)
    broken = [row for row in rows if row["generator"] == "toy-broken"]
    assert broken
    assert all(row["value"] is None and "the brush broke" in row["note"] for row in broken)
    assert any(row["generator"] == "copy-first-frame" and row["value"] == 0 for row in rows)


def test_a_curve_trains_at_shares_of_the_budget(experiment, tmp_path, monkeypatch):
    out, traced = tmp_path / "runs", []
    toy = registry.entry("toy")
    monkeypatch.setattr(toy.generator, "phases", functools.cache(toy.generator.phases))
    (phase,) = toy.build(find(experiment).task, toy.config(rate=0.4)).phases()
    step = type(phase).step
    counted = lambda *arguments: traced.append(arguments[0]) or step(*arguments)  # noqa: E731
    monkeypatch.setattr(type(phase), "step", counted)
    command = ["compare", experiment, "--out", str(out), "--generators", "toy"]
    assert main([*command, "--set", "curve=0.5", "toy.rate=0.4"]) == 0
    # For the forecast, whose trace is the first training's too where a generator keeps its phases
    # as the built-in ones do; and for the second, since traces are let go of after each training.
    assert traced == [phase, phase]
    cost = json.loads((out / "budget-0.5/toy/seed-0/cost.json").read_text())
    assert cost["phases"]["mean"]["steps"] == 3
    rows = json.loads((out / "results.json").read_text())["rows"]
    assert {row["share"] for row in rows if row["generator"] == "toy"} == {0.5, 1.0}


def test_train_evaluate_and_report_make_the_same_folder_as_compare(
    experiment, undisturbed, tmp_path, capsys
):
    out = tmp_path / "runs"
    assert main(["train", experiment, "toy", "--out", str(out)]) == 0
    assert "oracle_success" in capsys.readouterr().out
    clips = [ClipSet.load(f / RUNS[0] / "samples/test-8.npz").video for f in (out, undisturbed)]
    np.testing.assert_array_equal(*clips)
    assert main(["evaluate", str(out / RUNS[0])]) == 0
    assert "oracle_success" in capsys.readouterr().out


def test_how_training_is_watched_is_no_part_of_the_question(experiment, undisturbed, tmp_path):
    out = tmp_path / "runs"
    command = ["train", experiment, "toy", "--out", str(out)]
    assert main([*command, "--profile", "--set", "training.keep=3"]) == 0
    assert list((out / RUNS[0] / "profile" / "mean").rglob("*.xplane.pb"))
    logs = [(folder / RUNS[0] / "metrics.jsonl").read_bytes() for folder in (out, undisturbed)]
    assert logs[0] == logs[1]
    before = json.loads((out / "experiment.json").read_text())["hash"]
    assert main(command) == 0
    assert json.loads((out / "experiment.json").read_text())["hash"] == before


def test_a_trained_model_samples_what_it_is_asked(undisturbed):
    model = vidgen.load(undisturbed / RUNS[0])
    sentence = "the digit 3 is moving up and left"
    clips = model.sample(text=[sentence, None], seed=1)
    assert (clips.shape, clips.dtype) == ((2, 8, 32, 32, 1), np.uint8)
    np.testing.assert_array_equal(clips, model.sample(text=[sentence, None], seed=1))
    np.testing.assert_array_equal(clips[0], model.sample(text=sentence, seed=1)[0])
    assert sentence in model.sentences
    assert set(model.draw_sentences(1, range(4))) < set(model.sentences)
    assert (clips != model.sample(text=[sentence, None], seed=2)).any()
    still = model.sample(text=[sentence, sentence], seed=1, noise=0.0)
    np.testing.assert_array_equal(still[0], still[1])
    frame = np.full((32, 32), 200, np.uint8)
    assert (model.sample(text=sentence, image=frame)[0, 0] == 200).all()
    assert model.card.name == "toy"


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "the digit thre is moving up"}, "thre"),
        ({"text": ""}, "a sentence is empty"),
        ({"text": "up " * 50_000}, "150,000 characters"),
        ({"text": []}, "no sentence"),
        ({"text": ["up", "up"], "image": [None]}, "2 sentences, but 1 pictures"),
        ({"text": "up", "nosie": 1.0}, "did you mean 'noise'"),
    ],
)
def test_prompts_that_make_no_sense_are_refused(undisturbed, options, message):
    with pytest.raises((ValueError, LookupError), match=message):
        vidgen.load(undisturbed / RUNS[0]).sample(**options)


def test_sample_writes_a_file(undisturbed, tmp_path, capsys):
    from PIL import Image

    command = ["sample", str(undisturbed / RUNS[0]), "--text", "the digit 3 is moving up"]
    out = tmp_path / "clip.webp"
    assert main([*command, "--count", "2", "--set", "noise=0.5", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert (image.n_frames, image.size) == (8, (512, 256))
    assert "a sentence of training" not in capsys.readouterr().out
    assert main([*command[:2], "--count", "2", "--out", str(out)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for place, drawn in enumerate(vidgen.load(command[1]).draw_sentences(0, range(2))):
        assert f"Clip {place}, by a sentence of training: {drawn}" in said
    assert main([*command[:2], "--seed", str(2**63), "--out", str(out)]) == 2
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"")
    assert main([*command, "--image", str(empty), "--out", str(out)]) == 2
    assert "is empty" in capsys.readouterr().err


loaded_once = functools.cache(vidgen.load)


def png(side, truncate=None):
    """A black picture whose header says that it is of so many pixels a side."""
    from PIL import Image

    content = io.BytesIO()
    Image.new("L", (64, 64)).save(content, "PNG")
    head = b"IHDR" + struct.pack(">II", side, side) + content.getvalue()[24:29]
    whole = content.getvalue()[:12] + head + struct.pack(">I", zlib.crc32(head))
    return (whole + content.getvalue()[33:])[:truncate]


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        (["--image", "FILE"], b"", "is empty"),
        (["--image", "FILE"], png(64, truncate=50), "is damaged"),
        (["--image", "FILE"], png(40_000), "too large"),
        (["--image", "FILE"], b"#!/bin/sh", "no picture that can be read"),
        (["--image", "FILE/../elsewhere.png"], b"", "no picture at"),
        (["--image", "/dev/zero"], b"", "no picture at /dev/zero"),
        (["--image", "/proc/self"], b"", "no picture at /proc/self"),
        (["--text", ""], b"", "a sentence is empty"),
        (["--text", "up " * 34_000], b"", "102,000 characters; at most 2,000"),
        (["--text", "\x1b[2J"], b"", r"the word '\x1b'"),
        (["--out", "FILE/../nowhere/clip.webp"], b"", "does not exist"),
    ],
    ids=(
        [
            "empty",
            "truncated",
            "huge",
            "script",
            "missing",
            "endless",
            "folder",
            "no-text",
            "long-text",
            "escape",
            "nowhere",
        ]
    ),
)
def test_what_a_hostile_user_gives_ends_in_one_line_and_nothing_is_written(
    undisturbed, tmp_path, capsys, monkeypatch, arguments, content, message
):
    from vidgen import comparison

    monkeypatch.setattr(comparison, "load", loaded_once)
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    out = [] if "--out" in arguments else ["--out", str(tmp_path / "clip.webp")]
    arguments = [argument.replace("FILE", str(file)) for argument in arguments]
    before = [(p, p.stat().st_mtime_ns) for p in (*undisturbed.rglob("*"), *tmp_path.rglob("*"))]
    assert main(["sample", str(undisturbed / RUNS[0]), *arguments, *out]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert len(said) < 1000
    after = [(p, p.stat().st_mtime_ns) for p in (*undisturbed.rglob("*"), *tmp_path.rglob("*"))]
    assert after == before


@pytest.fixture(name="modes")
def modes_with_a_tiny_judge(load_benchmark, monkeypatch):
    study = load_benchmark("modes")
    tiny = functools.partial(FeatureJudge, config=InDomainConfig.tiny())
    monkeypatch.setattr(
        study, "FeatureJudge", lambda *args, **asked: tiny(*args, **(asked | tiny.keywords))
    )
    return study


@pytest.mark.slow
def test_modes_are_counted_of_models_of_the_zoo(modes, tmp_path):
    out = tmp_path / "modes.json"
    assert modes.main(modes.Settings(trained=("zoo:gan-digits",), clips=16, out=out)) == 0
    (row,) = json.loads(out.read_text())["trainings"]
    assert (row["trained"], row["generator"], row["seed"]) == ("zoo:gan-digits", "gan", 0)
    # By its card nineteen of twenty succeed from a sentence, and nine of ten with a frame.
    assert row["success_text"]["value"] >= 0.5
    assert row["success_text+image"]["value"] >= 0.5
    assert row["modes_told"] >= 8
    # Told nothing, a model follows a sentence that it draws; the network by itself shows none.
    assert row["modes_drawn"] >= 8
    assert row["legible_drawn"] >= 0.5
    with pytest.raises(SystemExit, match="of another task or other clips"):
        modes.main(modes.Settings(trained=("zoo:gan-digits", "zoo:gan-shapes"), clips=8, out=out))
    with pytest.raises(SystemExit, match="nothing was trained there"):
        modes.main(modes.Settings(trained=(), clips=8, out=out))


@pytest.mark.slow
def test_modes_are_counted_of_each_that_was_trained(modes, undisturbed, tmp_path, capsys):
    out = tmp_path / "modes.json"
    assert modes.main(modes.Settings(trained=(str(undisturbed),), clips=8, out=out)) == 0
    report = json.loads(out.read_text())
    # Real clips are legible, and eight of them show at most eight of eighty modes.
    assert report["real"]["legible_free"] >= 7 / 8
    assert 1 <= report["real"]["modes_free"] <= 8
    assert report["real"]["modes"] == 80
    # A mean clip shows no digit that moves; and what learns nothing has no line.
    assert [row["generator"] for row in report["trainings"]] == ["toy", "toy-bright"]
    assert {row["modes_free"] for row in report["trainings"]} == {0}
    printed = capsys.readouterr().out
    assert "toy-bright" in printed
    assert "copy-first-frame" not in printed
