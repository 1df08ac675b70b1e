import dataclasses

import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from vidgen import registry
from vidgen.comparison import jobs, selection
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import ComparisonFolder, read_json
from vidgen.comparison.jobs import Job, sample_answers
from vidgen.comparison.setting import Setting
from vidgen.evaluation import ClipSet
from vidgen.text import WordVectors
from vidgen.training import Budget
from vidgen.types import Score, Task

QUIET = Console(quiet=True)
SIDE = 128
JOB = Job(generator="diffusion", seed=0)


class Grey:
    """Clips as bright as the guidance is high: 0 is mid-grey, 1 is white."""

    card = registry.entry("diffusion").generator.card

    def __init__(self, config=None, task=None):
        pass

    def phases(self):
        return []

    def sample(self, params, condition, keys, sampler=None):
        shape = (condition.batch_size, 4, 16, 16, 1)
        return jnp.broadcast_to(jnp.asarray(sampler.guidance, jnp.float32), shape)


class Dark:
    """A judge that finds dark clips good; nobody asks for more than decides."""

    def only(self, groups):
        assert list(groups) == ["oracle"]
        return self

    def judge(self, clips, real):
        return scores(float(1 - clips.video.mean() / 255))


@pytest.fixture
def ask(tmp_path, moving_squares):
    """The setting of an experiment with `Grey` for "diffusion", in one folder for all calls."""
    plain = Experiment(
        name="some",
        task=Task(frames=4, height=16, width=16, channels=1, context_frames=1),
        generators={"diffusion": None},
        budget=Budget(60, "seconds"),
        prompts=8,
        sweep_prompts=4,
        answer_batch=4,
        latency_repeats=2,
    )

    def setting(**changes):
        made = Setting(
            dataclasses.replace(plain, **changes).resolve(), ComparisonFolder.at(tmp_path)
        )
        words = {word for caption in moving_squares(8).captions for word in caption.split()}
        made.__dict__ |= {
            "encoder": WordVectors(
                sorted(words), length=plain.task.text_length, width=plain.task.text_width
            ),
            "prompts": moving_squares(8),
            "validation_prompts": moving_squares(4, seed=1),
            "judge": Dark(),
        }
        return made

    return setting


@pytest.fixture
def answered(ask):
    """Has `Grey` answer what is asked; gives how bright its answers are, and its run."""

    def answer(generator=Grey, **changes):
        setting = ask(**changes)
        sample_answers(JOB, generator(), {}, setting, QUIET)
        run = setting.folder.run("diffusion", 0)
        return int(ClipSet.load(run.samples("test-8")).video.max()), run

    return answer


def sweep(*guidance):
    return {"sweeps": {"diffusion": {"guidance": guidance}}}


def test_the_setting_that_is_chosen_answers_and_is_not_chosen_again(answered, monkeypatch):
    brightness, run = answered(**sweep(0.0, 1.0))
    assert (brightness, read_json(run.selection)["chosen_setting"]) == (128, 0)
    monkeypatch.setattr(selection, "answer", lambda *a, **k: pytest.fail("tried again"))
    run.price.unlink()  # as if it had been stopped between the choice and the answers
    run.samples("test-8").unlink()
    assert answered(**sweep(0.0, 1.0))[0] == 128


def test_a_stopped_run_that_goes_on_with_another_sweep_chooses_and_answers_anew(answered):
    assert answered(**sweep(0.0, 0.25, 1.0))[0] == 128
    brightness, run = answered(**sweep(0.5, 1.0))
    found = read_json(run.selection)
    assert (brightness, found["chosen"]["guidance"]) == (191, 0.5)
    assert found["asked"]["sweep"] == {"guidance": [0.5, 1.0]}
    kept = sorted(path.name for path in (run.path / "samples").iterdir())
    assert kept == ["test-8.npz", "validation-4-setting-0.npz", "validation-4-setting-1.npz"]


def test_a_stopped_run_that_goes_on_without_its_sweep_forgets_the_choice(answered):
    assert answered(**sweep(0.0, 1.0))[0] == 128
    brightness, run = answered()
    assert brightness == 255  # the default guidance is past white
    assert not run.selection.exists()


class Fading(Grey):
    """Clips that are brighter by what it has learned."""

    def sample(self, params, condition, keys, sampler=None):
        return super().sample(params, condition, keys, sampler) + params["brighter"]


def test_an_earlier_candidate_that_is_better_answers_and_is_not_chosen_again(ask, monkeypatch):
    learned = {3: {"brighter": 0.25}, 7: {"brighter": 0.0}, None: {"brighter": 0.5}}
    monkeypatch.setattr(jobs, "candidates_of", lambda run: [3, 7])
    monkeypatch.setattr(jobs, "restore", lambda run, generator, step: learned[step])
    setting = ask(candidates=3, **sweep(0.25, 0.0))
    run = setting.folder.run("diffusion", 0)

    def brightness():
        sample_answers(JOB, Fading(), learned[None], setting, QUIET)
        return int(ClipSet.load(run.samples("test-8")).video.max())

    assert brightness() == 128
    assert selection.chosen(run, setting, "diffusion").step == 7
    tried = selection.all_tried(run)
    order = [(None, 0.25), (None, 0.0), (7, 0.25), (7, 0.0), (3, 0.25), (3, 0.0)]
    assert [(t.step, t.sampler["guidance"]) for t in tried] == order
    assert [t.is_chosen for t in tried] == [False, False, False, True, False, False]
    kept = sorted(path.name for path in (run.path / "samples").iterdir())
    assert kept == ["test-8.npz", *(f"validation-4-setting-{i}.npz" for i in range(6))]
    monkeypatch.setattr(selection, "answer", lambda *a, **k: pytest.fail("tried again"))
    run.price.unlink()  # as if it had been stopped between the choice and the answers
    run.samples("test-8").unlink()
    assert brightness() == 128


def test_candidates_are_part_of_what_is_asked_and_no_part_of_it_where_there_is_one(ask):
    one, three = (ask(candidates=n).asked("diffusion", 0, 1.0) for n in (1, 3))
    assert not one.keys() & {"candidates", "sweep_prompts"}
    assert three == one | {"candidates": 3, "sweep_prompts": 4}
    assert ask(candidates=3).asked(None, None, 1.0) == ask().asked(None, None, 1.0)


class Slow(Grey):
    """As `Grey`, with a matrix product a step."""

    def sample(self, params, condition, keys, sampler=None):
        def step(_, x):
            return x @ x

        work = jax.lax.fori_loop(0, sampler.steps, step, jnp.full((SIDE, SIDE), 1 / SIDE))
        return super().sample(params, condition, keys, sampler) + 0.0 * work.sum()


def test_each_setting_is_timed_one_clip_at_a_time_once_it_is_compiled(answered):
    sweeps = {"diffusion": {"steps": (1, 200), "guidance": (0.0, 0.5)}}
    _, run = answered(Slow, sweeps=sweeps, latency_repeats=5)
    tried = selection.all_tried(run)
    assert [t.sampler["steps"] for t in tried] == [1, 1, 200, 200]
    assert [t.is_chosen for t in tried] == [True, False, False, False]
    for few, many in zip(tried[:2], tried[2:], strict=True):
        assert few.price["sampling_flops"] == 2 * SIDE**3
        assert many.price["sampling_flops"] == 200 * 2 * SIDE**3
        assert few.price["sampling_p50"] < many.price["sampling_p50"] <= many.price["sampling_p95"]
    # Batches have a rate of their own: the four prompts are one, which is the one that compiles.
    assert all(t.price["sampling_rate"] is None for t in tried)


def test_answers_by_another_sampler_setting_are_given_anew_and_the_same_ones_are_not(
    answered, monkeypatch
):
    from vidgen.generators.diffusion.config import DiffusionSampler

    samplers = {"diffusion": DiffusionSampler(guidance=0.5)}
    assert answered()[0] == 255
    assert answered(samplers=samplers)[0] == 191
    monkeypatch.setattr(jobs, "answer", lambda *a, **k: pytest.fail("answered again"))
    assert answered(samplers=samplers)[0] == 191


def scores(value, *, metric="oracle_success", prompts="all", better="higher"):
    return {(metric, prompts): Score(value=value, better=better, note="" if value else "none")}


def best(**groups):
    """What is chosen where settings have these scores by group, and which groups were judged."""
    asked = []

    def judged(group):
        asked.append(group)
        return groups.get(group.replace("-", "_"), [{}, {}])

    metric, _, place = selection._best(judged)
    return metric, place, asked


def test_the_best_setting_is_the_first_of_equals_by_the_first_metric_that_all_have():
    tied = [scores(0.1), scores(0.3), scores(0.3)]
    # No dearer group is judged once the oracle has decided.
    assert best(oracle=tied) == (("oracle_success", "all"), 1, ["oracle"])
    lower = [scores(v, metric="kvd_in_domain", better="lower") for v in (0.3, 0.1, 0.2)]
    assert best(in_domain=lower) == (("kvd_in_domain", "all"), 1, ["oracle", "in-domain"])
    silent = [scores(0.1), scores(None)]
    psnr = [scores(v, metric="psnr", prompts="text+image") for v in (9.0, 12.0)]
    found = best(oracle=silent, pixel=psnr)
    assert found == (("psnr", "text+image"), 1, ["oracle", "in-domain", "pixel"])


def test_without_a_deciding_metric_nothing_is_chosen_silently():
    with pytest.raises(ValueError, match="leave out sweeps and candidates"):
        best(oracle=[scores(0.1), scores(None)])


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
