"""The search itself, over configs whose scores are a formula: nothing is trained here."""

import dataclasses
import json
import math
import pathlib
import sys

import jax
import pytest
from rich.console import Console

from vidgen import registry
from vidgen.comparison import presets, proposals, tuning
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder, FolderError
from vidgen.comparison.rows import Row
from vidgen.comparison.selection import Tried
from vidgen.comparison.setting import Setting
from vidgen.comparison.terminal import say_search
from vidgen.generators.gan import GanConfig
from vidgen.space import Choice, Range, Searchable, settings_at
from vidgen.training import Budget, Cost, DivergedError
from vidgen.types import Task

QUIET = Console(quiet=True)
TRIALS = 7
FEW = 3  # where a search is run many times; the last one learns from those before
NAMES = registry.names()  # before other tests register toys of their own
GAN = Experiment(
    name="some",
    task=Task(frames=4, height=16, width=16, channels=1),
    generators={"gan": None, "diffusion": None, "copy-first-frame": None},
    budget=Budget(8, "steps"),
)


def goodness(config) -> float:
    """Best at a gamma of 30 and at a slow judge."""
    rate = config.discriminator_optimizer.learning_rate
    return math.exp(-(math.log10(config.gamma / 30) ** 2) - math.log10(rate / 2e-3) ** 2)


def row(value, metric="oracle_success", better="higher"):
    return Row(
        generator="gan",
        kind="generator",
        seed=tuning.SEED,
        metric=metric,
        value=value,
        low=value - 0.1,
        high=value + 0.1,
        n=128,
        better=better,
    )


class Trials:
    """Stands for `try_job`: scores by `goodness`, notes what was tried, and fails where told."""

    def __init__(self):
        self.points, self.errors, self.rows = {}, {}, {}

    def __call__(self, job, setting, console):
        number = int(setting.folder.path.name)
        config = setting.experiment.generators["gan"]
        self.points.setdefault(number, set()).add(config)
        if number in self.errors:
            raise self.errors[number]
        scored = self.rows.get(number, row(goodness(config)))
        tried = Tried(step=None, sampler={}, row=scored, is_chosen=True, price={})
        return tried, Cost(generator="gan", seed=job.seed, budget="8steps")


@pytest.fixture
def trials(monkeypatch):
    """The trials, and nothing that they would need but a config."""
    made = Trials()
    monkeypatch.setattr(tuning, "try_job", made)
    monkeypatch.setattr(tuning, "surroundings", lambda: {"versions": {}})
    monkeypatch.setattr(Setting, "check_training", lambda self: None)
    monkeypatch.setattr(Setting, "variant", lambda self, *a: Setting(*a))
    return made


@pytest.fixture
def begin(tmp_path, trials):
    """Opens the search in a folder, as a process does that knows nothing of the one before."""

    def open_it(folder="one", experiment=GAN, generator="gan", **options):
        at = ComparisonFolder.at(tmp_path / folder)
        return tuning.Search(experiment.resolve(), generator, at, **options)

    return open_it


def told(search):
    """What a search came to, without its clocks."""
    return [dataclasses.replace(trial, cost={}) for trial in search.trials]


def test_a_search_begins_with_the_experiments_config_and_leaves_record_and_preset(
    begin, trials, capsys
):
    search = begin()
    search.go_on(TRIALS, QUIET)
    start = search.trials[0]
    assert start.point == {
        "generator_optimizer.learning_rate": 3e-3,
        "discriminator_optimizer.learning_rate": 3e-3,
        "generator_optimizer.schedule.hold": 0.5,
        "gamma": 10.0,
    }
    assert start.score.value == goodness(GanConfig())
    assert all(trial.point[f] in search.space[f] for trial in search.trials for f in search.space)
    assert len({tuple(trial.point.values()) for trial in search.trials}) == TRIALS
    configs = [config for tried in trials.points.values() for config in tried]
    holds = [
        (config.generator_optimizer.schedule.hold, config.discriminator_optimizer.schedule.hold)
        for config in configs
    ]
    assert all(one == other for one, other in holds)
    assert len(set(holds)) == TRIALS
    best = search.best
    assert best.score.value == max(trial.score.value for trial in search.trials)
    assert best.number != 0

    data = json.loads(search.record.read_text())
    assert (data["budget"], data["seed"], data["best"]) == ("8steps", tuning.SEED, best.number)
    assert data["asked"]["space"]["gamma"] == {"low": 1.0, "high": 100.0, "log": True}
    assert data["trials"][3]["score"]["n"] == 128
    assert set(data["versions"]) == {"optuna"}
    assert data["schema_version"] >= 1

    found = presets.read(search.preset)
    assert goodness(found.config) == best.score.value
    unturned = dataclasses.replace(
        found.config,
        gamma=10.0,
        generator_optimizer=GanConfig().generator_optimizer,
        discriminator_optimizer=GanConfig().discriminator_optimizer,
    )
    assert unturned == GanConfig()
    assert found.effort == presets.Effort(trials=TRIALS, budget="8steps", dimensions=4)
    say_search(search, Console(width=200))
    said = capsys.readouterr().out
    assert f"The best of {TRIALS} is trial {best.number}" in said
    assert "0 (start)" in said
    assert "discriminator_optimizer.schedule.hold" in "".join(said.split())
    assert f"--preset gan={search.preset}" in said


def test_a_search_that_dies_before_any_write_goes_on_as_an_undisturbed_one(
    begin, trials, monkeypatch
):
    monkeypatch.setattr(proposals, "STARTUP", 2)
    undisturbed = begin("undisturbed")
    undisturbed.go_on(FEW, QUIET)
    write = tuning.write_json
    for death in range(3 * FEW):  # a trial's beginning, its end, and the preset
        left = death

        def dying(path, data):
            nonlocal left
            left -= 1
            if left == -1:
                raise KeyboardInterrupt
            write(path, data)

        trials.points.clear()
        search = begin(f"dies-{death}")
        with pytest.MonkeyPatch.context() as patch:
            for module in (tuning, presets):
                patch.setattr(module, "write_json", dying)
            with pytest.raises(KeyboardInterrupt):
                search.go_on(FEW, QUIET)
        again = begin(f"dies-{death}")
        again.go_on(FEW, QUIET)
        assert told(again) == told(undisturbed)
        assert again.preset.read_text() == undisturbed.preset.read_text()
        # Who was tried twice, was tried at the same point.
        assert all(len(configs) == 1 for configs in trials.points.values())


def test_a_trial_that_was_begun_keeps_its_values_whatever_is_proposed_now(
    begin, trials, monkeypatch
):
    trials.errors = {2: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        begin().go_on(3, QUIET)
    trials.errors = {}
    monkeypatch.setattr(proposals, "propose", lambda *a, **k: pytest.fail("proposed again"))
    begin().go_on(3, QUIET)
    assert len(trials.points[2]) == 1


def test_trials_can_be_added_and_do_not_change_those_before(begin, trials, monkeypatch):
    monkeypatch.setattr(proposals, "STARTUP", 2)
    begin("more").go_on(2, QUIET)
    before = told(begin("more"))
    begin("more").go_on(FEW, QUIET)
    whole = begin("whole")
    whole.go_on(FEW, QUIET)
    assert told(begin("more")) == told(whole)
    assert told(whole)[:2] == before
    trials.points.clear()
    begin("whole").go_on(2, QUIET)  # fewer than there are
    assert not trials.points


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(begin, trials):
    trials.errors = {
        1: DivergedError("too many steps were not finite"),
        2: MemoryError("8 GiB"),
        3: jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED"),
        4: ValueError("the budget does not pay for one step"),
    }
    trials.rows = {5: row(0.99, metric="psnr")}
    search = begin()
    search.go_on(TRIALS, QUIET)
    states = [trial.state for trial in begin().trials]
    assert states == ["complete", *["failed"] * 5, "complete"]
    assert search.trials[1].error == "DivergedError: too many steps were not finite"
    assert "psnr alone" in search.trials[5].error
    assert search.best.number in (0, 6)


@pytest.mark.parametrize("error", [TypeError("a fault of the code"), FolderError("torn")])
def test_a_fault_that_is_not_the_configs_ends_the_search(begin, trials, error):
    trials.errors = {1: error}
    with pytest.raises(type(error)):
        begin().go_on(3, QUIET)
    assert [trial.state for trial in begin().trials] == ["complete", "running"]


def test_a_search_without_any_score_is_an_error(begin, trials):
    trials.errors = dict.fromkeys(range(2), DivergedError("gone"))
    search = begin()
    with pytest.raises(ValueError, match="all 2 trials failed; the first: DivergedError: gone"):
        search.go_on(2, QUIET)
    assert not search.preset.exists()
    trials.errors = {0: ValueError("no metric has a value")}
    with pytest.raises(ValueError, match="no metric"):
        begin("other").go_on(2, QUIET)


def test_lower_is_better_where_the_metric_says_so(begin, trials):
    trials.rows = {n: row(5.0 - n, metric="kvd_in_domain", better="lower") for n in range(3)}
    search = begin()
    search.go_on(3, QUIET)
    assert search.best.number == 2


def test_another_question_is_refused_with_what_differs(begin):
    begin().go_on(1, QUIET)
    with pytest.raises(FolderError, match=r"budget.amount: 8 became 9"):
        begin(experiment=dataclasses.replace(GAN, budget=Budget(9, "steps")))
    with pytest.raises(FolderError, match="seed: 1000 became 7"):
        begin(seed=7)
    begin(experiment=dataclasses.replace(GAN, prompts=3, seeds=(4,)))  # of the test list alone


def test_what_cannot_be_searched_is_refused_with_the_reason(begin, monkeypatch):
    with pytest.raises(ValueError, match=r"declares no search space.*search_space\(\)"):
        begin(generator="copy-first-frame")
    with pytest.raises(ValueError, match="compares with"):
        begin(seed=0)
    with pytest.raises(registry.UnknownNameError, match="did you mean 'gan'"):
        begin(generator="gna")
    outside = dataclasses.replace(GAN, generators={"gan": GanConfig(gamma=200.0)})
    with pytest.raises(ValueError, match=r"gamma=200\.0, which is not in Range\(low=1\.0"):
        begin(experiment=outside)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[tune\]'"):
        begin()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    kind: str = "adamw"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """A config of somebody else's."""

    depth: int = 3
    width: int = 8
    rate: float = 3.0
    inner: Inner = Inner()

    @classmethod
    def search_space(cls):
        return SPACE

    def search(self, past):
        return proposals.propose(SPACE, proposals.start(SPACE, self), past, seed=0)


SPACE = {"depth": Range(1, 64, log=True), "inner.kind": Choice(("adamw", "muon"))}


@pytest.mark.parametrize(
    ("space", "complaint"),
    [
        ({}, "is empty"),
        ({"dept": Range(1, 4)}, "did you mean 'depth'"),
        ({"inner.kind.name": Range(1, 4)}, "a str has no field 'name'"),
        ({"depth": Range(1.0, 4.0)}, "needs whole ends"),
        ({"depth": Range(1, 4, also=("inner.deep",))}, "no field of Inner is called 'deep'"),
        ({"depth": Range(1, 4, also=("width",))}, "would start at 3 and 8: set both alike"),
        ({"depth": Range(1, 4, also=("rate",))}, r"would start at 3 and 3\.0"),
        ({"depth": Range(1, 4), "width": Range(1, 9, also=("depth",))}, "turns depth by two"),
        ({"inner.kind": Choice(("sgd", "muon"))}, r"inner\.kind='adamw', which is not in Choice"),
    ],
)
def test_a_space_that_does_not_fit_its_config_is_refused(space, complaint, monkeypatch):
    monkeypatch.setattr(Config, "search_space", classmethod(lambda cls: space))
    with pytest.raises((ValueError, LookupError), match=complaint):
        proposals.declared("theirs", Config())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Range(2, 1),
        lambda: Range(0.0, 1.0, log=True),
        lambda: Range(0.0, math.inf),
        lambda: Choice(("one",)),
        lambda: Choice((1, 1)),
    ],
)
def test_a_dimension_without_anything_to_choose_is_refused(make):
    with pytest.raises(ValueError, match=r"."):
        make()


def test_fields_that_are_tied_get_one_value():
    space = {"a": Range(0.0, 1.0, also=("b.c", "d")), "e": Choice((1, 2))}
    found = settings_at(space, {"a": 0.25, "e": 2})
    assert found == {"a": 0.25, "b.c": 0.25, "d": 0.25, "e": 2}


def test_whole_numbers_and_choices_are_proposed_as_what_they_are():
    assert proposals.declared("theirs", Config()) == SPACE
    past = []
    for n in range(8):
        point = Config().search(past)
        assert type(point["depth"]) is int
        assert all(point[field] in SPACE[field] for field in SPACE)
        past.append((point, 1.0 / n if n else None))
    assert past[0][0] == {"depth": 3, "inner.kind": "adamw"}
    assert len({point["depth"] for point, _ in past}) > 2


def test_proposals_are_random_first_and_learn_from_what_was_tried_then():
    space = {"x": Range(0.0, 1.0)}
    points = [{"x": x / 8} for x in range(8)]

    def after(n, merit):
        past = [(point, merit(point["x"])) for point in points[:n]]
        return proposals.propose(space, points[0], past, seed=3)["x"]

    few, many = proposals.STARTUP - 1, len(points)
    assert after(few, lambda x: x) == after(few, lambda x: -x)
    assert after(many, lambda x: x) > 0.5 > after(many, lambda x: -x)
    # Where nothing but failure was found it does not look again.
    assert after(many, lambda x: x if x < 0.5 else None) < 0.5
    assert after(many, lambda x: -x if x > 0.5 else None) > 0.5
    assert after(many, lambda x: x) == after(many, lambda x: x)


def test_presets_are_taken_up_by_name_and_mistakes_named(begin, tmp_path):
    search = begin()
    search.go_on(2, QUIET)
    found = presets.named([f"gan={search.preset}"])
    changed = presets.apply(GAN, found)
    assert changed.generators["gan"] == presets.preset(search.preset)
    assert changed.generators["diffusion"] is None
    stray = tmp_path / "stray.json"
    stray.write_text(json.dumps({"generator": "gan", "config": {"gama": 1}, "effort": {}}))
    for assignments, complaint in (
        (["gan"], "write gan=FILE"),
        ([f"gan={search.preset}"] * 2, "two presets"),
        ([f"diffusion={search.preset}"], "a preset of 'gan'"),
        ([f"gan={tmp_path / 'nowhere.json'}"], "does not exist"),
        ([f"gan={search.record}"], "no preset: it has no 'config'"),
        ([f"gan={stray}"], "no field 'gama'"),
    ):
        with pytest.raises(ValueError, match=complaint):
            presets.named(assignments)
    with pytest.raises(registry.UnknownNameError, match="generator of this experiment"):
        presets.apply(dataclasses.replace(GAN, generators={"diffusion": None}), found)


def test_a_comparison_of_families_that_were_not_searched_alike_is_called_so():
    def effort(trials):
        return presets.Effort(trials=trials, budget="8steps", dimensions=4)

    def preset(name, trials):
        return presets.Preset(generator=name, config=None, effort=effort(trials))

    names = list(GAN.generators)
    alike = {name: preset(name, 8) for name in ("gan", "diffusion")}
    assert not presets.uneven(alike, names)
    assert not presets.uneven({}, names)
    assert "diffusion none" in presets.uneven({"gan": preset("gan", 8)}, names)
    words = presets.uneven(alike | {"gan": preset("gan", 9)}, names)
    assert "gan 9 trials of 8steps over 4 values; diffusion 8 trials" in words


def test_every_family_has_a_space_of_the_same_size():
    configs = [registry.entry(name).config for name in NAMES]
    spaces = [config.search_space() for config in configs if isinstance(config(), Searchable)]
    assert len(spaces) >= 4
    assert {len(space) for space in spaces} == {4}
    assert all(isinstance(dimension, Range) for space in spaces for dimension in space.values())


KEPT = pathlib.Path(__file__).parents[2] / "experiments" / "searches"


@pytest.mark.parametrize("path", sorted(KEPT.glob("*/")), ids=lambda path: path.name)
def test_searches_that_are_kept_can_be_taken_up(path):
    record = json.loads((path / "tune.json").read_text())
    found = presets.read(path / "preset.json")
    assert found.effort.trials == len(record["trials"])
    best = record["trials"][record["best"]]
    for name, value in best["point"].items():
        held = found.config
        for part in name.split("."):
            held = getattr(held, part)
        assert held == value, name
    scores = [trial["score"]["value"] for trial in record["trials"] if trial["score"]]
    assert best["score"]["value"] == max(scores)
