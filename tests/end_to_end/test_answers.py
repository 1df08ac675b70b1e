"""A checkpoint and a setting chosen among several, and several answers to a prompt by what was."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import vidgen
from vidgen import registry
from vidgen.comparison import answers, catalogue, selection
from vidgen.comparison.folder import FolderError
from vidgen.evaluation import ClipSet

K = 3
NOISES = (1.0, 0.5)


@pytest.fixture(scope="module")
def asked(prepared, experiment):
    """A toy that steps too far: after five steps its ground is too dark, which pixels cannot show,
    and after the sixth it is too bright.
    """
    with prepared():
        far = registry.entry("toy").config(rate=9.0)
        return dataclasses.replace(
            catalogue.find(experiment),
            generators={"toy": far, "toy-bare": None, "copy-first-frame": None},
            candidates=2,
            sweeps={"toy": {"noise": NOISES}},
            sweep_prompts=4,
        )


@pytest.fixture(scope="module")
def compare(prepared):
    """`vidgen.compare` where PSNR chooses, since the oracle passes no toy."""

    def run(experiment, out):
        with prepared(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(selection, "CHOSEN_BY", (("psnr", "text+image"),))
            found = vidgen.compare(experiment, out=out)
        assert not found.failed
        return found

    return run


@pytest.fixture(scope="module")
def several(asked, compare, tmp_path_factory):
    """A comparison that was finished and then asked for several answers: its folder, the question,
    and what was there before.
    """
    out = tmp_path_factory.mktemp("answers") / "runs"
    compare(asked, out)
    before = {path: path.read_bytes() for path in sorted(out.glob("*/seed-0/*.json"))}
    again = dataclasses.replace(asked, answers=K)
    compare(again, out)
    return out, again, before


def rows_in(folder):
    rows = json.loads((folder / "results.json").read_text())["rows"]
    return {(row["generator"], row["metric"], row["prompts"]): row for row in rows}


def test_the_best_of_checkpoints_and_settings_answers(several):
    out, _, _ = several
    run = out / "toy/seed-0"
    record = json.loads((run / "selection.json").read_text())
    tried = [(one.get("step"), one["sampler"]["noise"]) for one in record["tried"]]
    assert tried == [(None, 1.0), (None, 0.5), (5, 1.0), (5, 0.5)]
    chosen = {"chosen_step": 5, "chosen": {"noise": 0.5}, "metric": "psnr"}
    assert chosen.items() <= record.items()

    def light(name):
        return ClipSet.load(run / f"samples/{name}.npz").video[:, 1:].mean()

    *others, best = (light(f"validation-4-setting-{place}") for place in range(4))
    assert min(others) > best + 10
    for name in ("test-8", f"test-8-{K}-answers"):
        assert light(name) == pytest.approx(best, abs=1)
    drawn = vidgen.load(run).sample(text=[None] * 4)[:, 1:]
    assert drawn.mean() == pytest.approx(best, abs=1)
    assert "checkpoint at step 5, noise 0.5" in (out / "report.html").read_text()


def test_whoever_leaves_nothing_or_has_no_phase_has_one_candidate(several):
    out, _, _ = several
    for name in ("toy-bare", "copy-first-frame"):
        assert not (out / name / "seed-0/selection.json").exists()
        assert (out / name / "seed-0/scores.json").exists()


def test_prompts_with_a_frame_have_k_answers_beside_an_unchanged_comparison(several):
    out, _, before = several
    assert len(before) >= 9
    assert all(path.read_bytes() == content for path, content in before.items())
    prompts = ClipSet.load(out / "prompts/test-8.npz")
    given = prompts[prompts.context_mask]
    further = ClipSet.load(out / f"toy/seed-0/samples/test-8-{K}-answers.npz")
    assert further.captions == given.captions * (K - 1)
    np.testing.assert_array_equal(further.video[:, 0], np.tile(given.video[:, 0], (K - 1, 1, 1, 1)))
    one, two = np.split(further.video[:, 1:].astype(int), 2)
    assert (one != two).mean() > 0.2


def test_mean_and_best_are_told_with_k_of_generators_and_anchors(several):
    out, _, _ = several
    rows = rows_in(out)
    told = {who for who, metric, _ in rows if metric == "psnr_best_of_k"}
    assert told == {"toy", "toy-bare", "copy-first-frame", "held-out-real", "shuffled-captions"}
    for name in ("psnr", "ssim"):
        for who in told:
            mean, best = (rows[who, f"{name}_{of}_of_k", "text+image"] for of in ("mean", "best"))
            assert f"mean of K={K} answers" in mean["note"]
            assert f"best of K={K} answers" in best["note"]
            once = rows[who, name, "text+image"]["value"]
            if who in ("copy-first-frame", "held-out-real"):
                assert [mean["value"], best["value"]] == pytest.approx([once, once])
            else:
                assert mean["value"] < best["value"]
    page = (out / "report.html").read_text()
    assert f"answered K = {K} times" in page
    assert f"text + frame, K = {K}" in page


def test_nothing_is_answered_or_judged_twice_and_a_judging_cut_short_goes_on(
    several, compare, monkeypatch
):
    out, asked, _ = several
    monkeypatch.setattr(answers, "answer", lambda *a, **k: pytest.fail("answered again"))
    before = (out / "results.json").read_bytes()
    path = out / "toy/seed-0/answers.json"
    made = json.loads(path.read_text())
    path.write_text(json.dumps({key: made[key] for key in ("asked", "generator", "seed")}))
    judged, judge = [], answers.judge_answers
    monkeypatch.setattr(
        answers, "judge_answers", lambda *a, **k: judged.append(None) or judge(*a, **k)
    )
    compare(asked, out)
    assert len(judged) == 1
    assert (out / "results.json").read_bytes() == before


def test_every_number_comes_back_from_disk_with_no_model_in_sight(several):
    out, _, _ = several
    before = (out / "results.json").read_bytes()
    for path in (*out.glob("*/seed-*/checkpoints"), *out.glob("*/seed-*/candidates")):
        shutil.rmtree(path)
    for path in out.glob("**/answers.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "rows": [], "clips": []}))
    vidgen.comparison.report(out, recompute=True)
    assert (out / "results.json").read_bytes() == before


def test_one_folder_has_one_k(several, compare):
    out, asked, _ = several
    with pytest.raises(FolderError, match="answers: 3 became 2"):
        compare(dataclasses.replace(asked, answers=2), out)
