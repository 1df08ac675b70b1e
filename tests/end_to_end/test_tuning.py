"""A search through the command line: stopped, gone on with, and its preset taken up."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from vidgen.cli import main
from vidgen.comparison import selection
from vidgen.comparison.setting import Setting
from vidgen.training import Cost
from vidgen.training.writers import MetricsLog


def told(folder):
    """What a search came to, without its clocks."""
    data = json.loads((folder / "tune.json").read_text())
    assert all(trial.pop("cost") for trial in data["trials"])
    return data["trials"], data["best"], (folder / "preset.json").read_text()


class Asked(BaseException):
    """Thrown by what stands for a comparison, with what it was asked."""


def test_a_search_goes_on_where_it_was_and_never_sees_the_test_split(
    experiment, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(selection, "CHOSEN_BY", (("psnr", "text+image"),))
    source, splits = Setting.source, set()

    def seen(self, split):
        splits.add(split)
        return source(self, split)

    monkeypatch.setattr(Setting, "source", seen)
    question = ["tune", experiment, "toy", "--trials", "2"]
    question += ["--set", "sweep_prompts=8", "metrics=pixel"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main([*question, "--out", str(whole)]) == 0
    said = capsys.readouterr().out
    for words in ("what it will cost", "1 to go, about", "0 (start)", "--preset toy="):
        assert words in said

    write, rows = MetricsLog.write, []

    def struck(self, phase, step, split, values):
        rows.append(split)
        # In the second trial, of six steps as the first; once, since a second one aborts at once.
        if split == "train" and rows.count("train") == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        write(self, phase, step, split, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsLog, "write", struck)
        with pytest.raises(SystemExit) as left:
            main([*question, "--out", str(stopped)])
    assert left.value.code == 143
    states = [trial["state"] for trial in json.loads((stopped / "tune.json").read_text())["trials"]]
    assert states == ["complete", "running"]
    assert main([*question, "--out", str(stopped)]) == 0
    assert Cost.read(stopped / "trials/1/toy/seed-1000").phases["mean"].resumed == 1
    assert told(stopped) == told(whole)

    trials, best, _ = told(whole)
    values = [trial["score"]["value"] for trial in trials]
    assert len(set(values)) == 2
    assert values[best] == max(values)
    assert all(trial["score"]["low"] < trial["score"]["value"] for trial in trials)
    assert splits == {"train", "validation"}
    assert [path.name for path in (whole / "prompts").iterdir()] == ["validation-8.npz"]
    assert not list(whole.glob("**/checkpoints"))

    def asked(experiment, out):
        raise Asked(experiment.generators)

    monkeypatch.setattr("vidgen.comparison.question.prepare", asked)
    with pytest.raises(Asked) as thrown:
        main(["compare", experiment, "--preset", f"toy={whole / 'preset.json'}"])
    generators = thrown.value.args[0]
    assert generators["toy"].rate == trials[best]["point"]["rate"]
    assert generators["toy-bright"].rate == 0.5
    assert "toy 2 trials of 6steps over 1 values; toy-bright none" in capsys.readouterr().out


@pytest.mark.slow
def test_a_search_that_is_killed_ends_as_one_that_was_not(tmp_path):
    programs = tmp_path / "programs"
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    vidgen = (sys.executable, "-c", "import sys; from vidgen.cli import main; sys.exit(main())")
    question = (*vidgen, "tune", "quick", "gan", "--smoke", "--trials", "6", "--out")

    def begin(folder):
        log = (tmp_path / "log").open("a")
        with log:
            return subprocess.Popen([*question, str(folder)], env=environment, stdout=log)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert begin(whole).wait(900) == 0
    for number, file in ((1, "metrics.jsonl"), (3, "selection.json"), (5, "cost.json")):
        process = begin(killed)
        reached = killed / f"trials/{number}/gan/seed-1000" / file
        while process.poll() is None and not (reached.exists() and reached.stat().st_size):
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert begin(killed).wait(900) == 0
    assert told(killed) == told(whole)
