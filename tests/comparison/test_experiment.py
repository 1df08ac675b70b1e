import dataclasses
import json
import pathlib
import tomllib

import pytest

from vidgen.comparison import catalogue, overrides
from vidgen.comparison import experiment as experiments
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.forecast import further_clips
from vidgen.comparison.question import write_record
from vidgen.comparison.setting import Setting
from vidgen.registry import UnknownNameError
from vidgen.training import Budget
from vidgen.types import Task

SMALL = {"frames": 4, "size": 16}


@pytest.fixture
def experiment():
    return Experiment(
        name="some",
        task=Task(frames=4, height=16, width=16, channels=1),
        generators={"diffusion": None, "frozen-prior": None},
        budget=Budget(60, "seconds"),
    )


@pytest.mark.parametrize("name", catalogue.names())
def test_every_shipped_experiment_loads_resolves_and_shrinks(name, tmp_path):
    found = catalogue.find(name)
    assert found.name == name
    assert "Expected" in found.expectation
    smoke = found.smoke().resolve()
    assert smoke.precision == "float32"
    assert (smoke.budget.unit, smoke.prompts) == ("steps", 8)
    assert set(smoke.generators) == set(found.generators)
    assert smoke.name == f"{name}-smoke"
    assert "No number here is a result" in smoke.expectation
    assert (smoke.source == found.source) != smoke.source.startswith("stand-in:")
    for shown in (found.resolve(), smoke):
        data = json.loads(json.dumps(experiments.to_json(shown)))
        assert experiments.to_json(experiments.from_json(data)) == data
    # The clips fit the task; networks of all families would take minutes to build.
    Setting(
        smoke.select(generators=["frozen-prior"]), ComparisonFolder.at(tmp_path)
    ).check_training()
    assert catalogue.summary(name).endswith((".", "?"))


@pytest.mark.fault(17)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        # A phase that comes late would find out when those before it have trained.
        (
            {"options": {**SMALL, "clips": 40}},
            "batches of 64 clips are wanted for validation .*'digits' has 40 clips",
        ),
        (
            {"options": SMALL, "candidates": 2, "sweep_prompts": 10**9},
            "sweep_prompts asks for 1000000000 prompts",
        ),
        ({"options": SMALL, "prompts": 10**9}, "1000000000 prompts cannot be drawn"),
        (
            {"options": {**SMALL, "frames": 5}},
            "frames is 5 in the source 'digits' and 4 in the task",
        ),
    ],
)
def test_clips_that_are_too_few_or_do_not_fit_are_refused_before_anything_is_written(
    experiment, changes, message, tmp_path
):
    asked = dataclasses.replace(experiment, **changes).resolve()
    with pytest.raises(ValueError, match=message):
        write_record(Setting(asked, ComparisonFolder.at(tmp_path / "runs")))
    assert not (tmp_path / "runs").exists()


def test_a_typo_names_the_near_one():
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        catalogue.find("quik")


def test_a_file_is_found_by_its_path_and_its_docstring_is_the_expectation(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Hopes."""\n'
        "from vidgen.comparison import Budget, Experiment\n"
        "from vidgen.types import Task\n"
        "experiment = Experiment(name='mine', task=Task(frames=2, height=8, width=8, channels=1),\n"
        "    generators={'frozen-prior': None}, budget=Budget(1, 'steps'))\n"
    )
    assert catalogue.find(str(path)).expectation == "Hopes."


def test_a_path_that_leads_nowhere_or_to_no_experiment_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.py"):
        catalogue.find(str(tmp_path / "nothing.py"))
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="must define"):
        catalogue.find(str(tmp_path / "empty.py"))


def test_a_resolved_experiment_survives_json(experiment):
    data = experiments.to_json(experiment)
    assert data["generators"]["diffusion"]["width"] > 0
    assert experiments.from_json(json.loads(json.dumps(data))) == experiment.resolve()


@pytest.mark.parametrize(
    "change",
    [
        {"generators": {}},
        {"seeds": (0, 0)},
        {"curve": (1.5,)},
        {"context_rate": 2.0},
        {"prompts": 0},
        {"samplers": {"gan": None}},
        {"sweeps": {"gan": {"content_truncation": (1.0,)}}},
        {"sweeps": {"diffusion": {"guidance": ()}}},
        {"sweep_prompts": 0},
        {"answers": 0},
        {"answers": 2, "context_rate": 0.0},
        {"answers": 2, "metrics": ("oracle", "appearance")},
        {"compositional": True, "train_split": "clips"},
    ],
)
def test_values_that_cannot_be_meant_are_refused(experiment, change):
    with pytest.raises(ValueError, match=r"."):
        dataclasses.replace(experiment, **change)


def test_a_config_of_another_class_is_refused(experiment):
    wrong = dataclasses.replace(experiment, generators={"diffusion": Task})
    with pytest.raises(TypeError, match="DiffusionConfig"):
        wrong.resolve()


def test_selecting_keeps_configs_and_takes_any_registered_generator(experiment):
    chosen = experiment.select(generators=["gan", "diffusion"], seeds=[3], budget="40steps")
    assert list(chosen.generators) == ["gan", "diffusion"]
    assert (chosen.seeds, str(chosen.budget)) == ((3,), "40steps")
    with pytest.raises(UnknownNameError, match="did you mean 'gan'"):
        experiment.select(generators=["gann"])


def test_overrides_reach_every_depth_and_read_the_fields_type(experiment):
    changes = overrides.parse(
        [
            "diffusion.width=24",
            "diffusion.optimizer.learning_rate=1e-3",
            "diffusion.sampler.steps=5",
            "diffusion.merge=1 2 2",
            "options.motion=mage",
            "budget=7steps",
            "task.fps=4",
            "curve=0.1 0.5",
            "training.tensorboard=false",
        ]
    )
    found = overrides.apply(experiment, changes)
    config = found.generators["diffusion"]
    assert (config.width, config.optimizer.learning_rate, config.merge) == (24, 1e-3, (1, 2, 2))
    assert found.samplers["diffusion"].steps == 5
    assert found.options == {"motion": "mage"}
    assert (str(found.budget), found.task.fps, found.curve) == ("7steps", 4, (0.1, 0.5))
    assert found.training.tensorboard is False


def test_a_setting_that_may_also_be_traced_is_read_as_a_number(experiment):
    changes = {"gan.sampler.content_truncation": "0.5"}
    found = overrides.apply(experiment.select(generators=["gan"]), changes)
    assert found.samplers["gan"].content_truncation == 0.5


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("diffusion.widht=24", "did you mean 'width'"),
        ("difusion.width=24", "did you mean 'diffusion'"),
        ("diffusion.width=wide", "diffusion.width=wide: cannot be read as int"),
        ("diffusion.optimizer=fast", "has parts of its own"),
        ("diffusion.width.x=1", "a int has no field"),
        ("task.frames=0", "at least 1"),
        ("frozen-prior.sampler.steps=1", "no such sampler setting"),
        ("diffusion.width", "is no override"),
    ],
)
def test_overrides_that_cannot_be_applied_say_why(experiment, assignment, message):
    with pytest.raises((overrides.OverrideError, UnknownNameError), match=message):
        overrides.apply(experiment, overrides.parse([assignment]))


def test_an_override_said_twice_is_refused():
    with pytest.raises(overrides.OverrideError, match="set twice"):
        overrides.parse(["a=1", "a=2"])


def test_a_sweep_is_recorded_with_one_type_a_setting_and_shrinks_with_who_takes_part(experiment):
    swept = dataclasses.replace(
        experiment, sweeps={"diffusion": {"guidance": (1, 2.5), "steps": (5, 10)}}
    )
    sweep = swept.resolve().sweeps["diffusion"]
    assert [type(value) for value in sweep["guidance"]] == [float, float]
    assert [type(value) for value in sweep["steps"]] == [int, int]  # static: it counts a loop
    data = json.loads(json.dumps(experiments.to_json(swept)))
    assert experiments.from_json(data) == swept.resolve()
    assert swept.select(generators=["frozen-prior"]).sweeps is None
    wrong = dataclasses.replace(experiment, sweeps={"diffusion": {"guidence": (1.0,)}})
    with pytest.raises(UnknownNameError, match="did you mean 'guidance'"):
        wrong.resolve()
    with pytest.raises(ValueError, match="no sampler settings"):
        dataclasses.replace(experiment, sweeps={"frozen-prior": {"x": (1,)}}).resolve()


def test_combinations_of_a_sweep_keep_what_it_leaves_alone():
    from vidgen.comparison.sampler import combinations
    from vidgen.generators.diffusion import DiffusionSampler

    base = DiffusionSampler(curve=1.0)
    sweep = {"guidance": (1.0, 2.0), "steps": (5, 10)}
    found = combinations("diffusion", DiffusionSampler, base, sweep)
    assert [(s.guidance, s.steps) for s in found] == [(1.0, 5), (1.0, 10), (2.0, 5), (2.0, 10)]
    assert {s.curve for s in found} == {1.0}


def test_what_was_recorded_before_there_were_sweeps_still_asks_the_same(experiment):
    data = experiments.to_json(experiment)
    assert not {"sweeps", "sweep_prompts", "compositional"} & set(data)


def test_what_can_be_added_to_a_finished_comparison_is_no_part_of_its_question(experiment):
    more = dataclasses.replace(experiment, horizon=3, answers=4)
    before, after = (experiments.to_json(one) for one in (experiment, more))
    assert experiments.shared(after) == experiments.shared(before)
    assert (more.smoke().answers, more.held_out().answers) == (2, 1)


def test_the_forecast_counts_the_clips_beyond_one_answer_a_prompt(experiment):
    # 256 prompts, half of which give one of 4 frames; a link of a rollout adds 3.
    assert further_clips(experiment) == 0
    assert further_clips(dataclasses.replace(experiment, answers=4)) == 3 * 128
    assert further_clips(dataclasses.replace(experiment, horizon=2)) == 3 * 256


def test_the_held_out_question_has_splits_of_its_own(experiment):
    found = dataclasses.replace(experiment, compositional=True, curve=(0.5,)).held_out()
    splits = (found.train_split, found.validation_split, found.test_split)
    assert splits == tuple(f"compositional-{part}" for part in ("train", "validation", "test"))
    assert (found.compositional, found.curve) == (False, ())


def test_every_experiment_is_part_of_the_package():
    clone = pathlib.Path(__file__).parents[2]
    build = tomllib.loads((clone / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packed = build["targets"]["wheel"]["force-include"]
    files = [f"experiments/{path.name}" for path in (clone / "experiments").glob("*.py")]
    assert packed == {file: f"vidgen/{file}" for file in files}


def test_an_experiment_s_file_may_define_dataclasses_and_scripts_are_no_experiments(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from __future__ import annotations\nimport dataclasses\n"
        "from vidgen.comparison.catalogue import find\n\n"
        "@dataclasses.dataclass(frozen=True, kw_only=True)\nclass Settings:\n    seed: int = 0\n\n"
        'experiment = dataclasses.replace(find("quick"), name="mine")\n'
    )
    assert catalogue.find(str(path)).name == "mine"
    assert "judges" not in catalogue.names()
    assert "quick" in catalogue.names()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_layouts_are_told_of_some_clips_and_not_of_all(rate):
    quick = catalogue.find("quick")
    task = dataclasses.replace(quick.task, objects=1)
    with pytest.raises(ValueError, match="give a rate between 0 and 1"):
        dataclasses.replace(quick, task=task, layout_rate=rate)
    assert dataclasses.replace(quick, layout_rate=rate).layout_rate == rate
