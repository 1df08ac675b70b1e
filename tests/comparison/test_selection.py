import dataclasses

import pytest

from vidgen.comparison import selection
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.setting import Setting
from vidgen.training import Budget
from vidgen.types import Score, Task


def scores(value, *, metric="oracle_success", prompts="all", better="higher"):
    return {(metric, prompts): Score(value=value, better=better, note="" if value else "none")}


def test_the_best_setting_is_the_first_of_equals_by_the_first_metric_that_all_have():
    tied = [scores(0.1), scores(0.3), scores(0.3)]
    assert selection._best(tied) == (("oracle_success", "all"), 1)
    lower = [scores(v, metric="kvd_in_domain", better="lower") for v in (0.3, 0.1, 0.2)]
    assert selection._best(lower) == (("kvd_in_domain", "all"), 1)
    missing = [scores(None) | scores(v, metric="psnr", prompts="text+image") for v in (9.0, 12.0)]
    assert selection._best(missing) == (("psnr", "text+image"), 1)


def test_without_a_deciding_metric_nothing_is_chosen_silently():
    with pytest.raises(ValueError, match="leave the sweep out"):
        selection._best([scores(0.1), scores(None)])


def test_a_sweep_is_part_of_what_its_generator_alone_is_asked(tmp_path):
    plain = Experiment(
        name="some",
        task=Task(frames=4, height=16, width=16, channels=1),
        generators={"diffusion": None, "frozen-prior": None},
        budget=Budget(60, "seconds"),
    )
    swept = dataclasses.replace(plain, sweeps={"diffusion": {"guidance": (1.0, 2.0)}})
    folder = ComparisonFolder.at(tmp_path)
    before, after = Setting(plain.resolve(), folder), Setting(swept.resolve(), folder)

    def asked(setting, name):
        return setting.asked(name, 0, 1.0)

    assert asked(after, "diffusion")["sweep"] == {"guidance": [1.0, 2.0]}
    assert asked(after, "frozen-prior") == asked(before, "frozen-prior")
    assert after.asked(None, None, 1.0) == before.asked(None, None, 1.0)
