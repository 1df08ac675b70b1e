"""The command line: `vidgen compare quick` and its companions.

Everything heavy is imported inside the command that needs it, so that `vidgen --help` is quick.
Exit codes: 0 done, 1 the work failed, 2 the command makes no sense, 130 stopped by Ctrl-C, 143 by
SIGTERM (a comparison that was stopped goes on by the same command).
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

import tyro

from vidgen.allocator import keep_freed_memory

if TYPE_CHECKING:
    from rich.console import Console

    from vidgen.comparison import Experiment

Positional = tyro.conf.Positional


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Changed:
    """Options of every command that trains: what of the experiment is changed."""

    budget: str | None = None
    """Of each training: 120s, 2e15flops, 5000clips or 400steps."""
    set: tuple[str, ...] = ()
    """Changes by dotted path, e.g. diffusion.width=64 diffusion.sampler.steps=10 prompts=64."""
    preset: tuple[str, ...] = ()
    """Configs that `vidgen tune` found, e.g. gan=FILE diffusion=FILE."""
    smoke: bool = False
    """Shrink everything to seconds, to see that it runs; no data set has to be here."""

    def changed(
        self,
        experiment: str,
        generators: Sequence[str] | None,
        *,
        seeds: Sequence[int] | None = None,
        further: Mapping[str, Any] = MappingProxyType({}),
    ) -> Experiment:
        from vidgen.comparison import catalogue, overrides, presets
        from vidgen.comparison.question import settle

        found = catalogue.find(experiment).select(generators=generators)
        found = found.smoke() if self.smoke else found
        found = found.select(seeds=seeds, budget=self.budget)
        found = presets.apply(found, presets.named(self.preset))
        return settle(found, {**overrides.parse(self.set), **further})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Question(_Changed):
    """Options of every command that trains and asks for the test prompts."""

    out: str | None = None
    """Run folder, which may lie in a bucket (s3://..., gs://...); runs/EXPERIMENT by default."""
    seeds: tuple[int, ...] | None = None
    """Training seeds, e.g. 0 1 2."""
    profile: bool = False
    """Trace a few steps of each phase that trains into its run's profile folder."""

    def resolve(
        self, experiment: str, generators: Sequence[str] | None, **further: Any
    ) -> Experiment:
        if self.profile:
            further["training.profile"] = True
        return self.changed(experiment, generators, seeds=self.seeds, further=further)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(_Question):
    """Train every generator of an experiment, judge them all, and write the report.

    Example: vidgen compare quick --seeds 0 1 2 --out runs/quick
    """

    experiment: Positional[str]
    """A name (see `vidgen list experiments`) or a path to a Python file."""
    generators: tuple[str, ...] | None = None
    """Who takes part, instead of the experiment's own list."""
    equal_flops: float | None = None
    """Also train everybody once more on as many training FLOPs, such as 1e13, and compare them."""
    equal_parameters: int | None = None
    """Also size everybody to as many parameters, such as 2500000, train and compare them so."""
    estimate: float | None = None
    """Print what each step takes, and each phase at so many FLOP/s, such as 1e14, and stop."""
    executor: Literal["here", "processes", "ray"] = "here"
    """Where jobs run: here in turn, at once in processes of this machine, or on a Ray cluster."""
    jobs_at_once: int | None = None
    """Of processes: how many at once; 2 by default."""
    retries: int | None = None
    """Of processes and ray: new starts, each from its checkpoint, of a job that was lost; 2."""
    address: str | None = None
    """Of ray: the cluster's, e.g. auto or HOST:6379. All its nodes see the run folder."""
    job_cpus: float | None = None
    """Of ray: CPUs that a job takes; 1 by default."""
    job_gpus: float | None = None
    """Of ray: GPUs that a job takes; none by default."""
    print_jobs: bool = False
    """Print a shell command for each job that is left, for you to run, and stop."""

    def run(self, console: Console) -> int:
        from rich.console import Console

        from vidgen.comparison import executors, presets
        from vidgen.comparison.comparison import carry_out
        from vidgen.comparison.further import further
        from vidgen.comparison.question import prepare
        from vidgen.comparison.terminal import resumable, say_cost, say_estimate, say_jobs

        executor = executors.named(
            self.executor,
            jobs_at_once=self.jobs_at_once,
            retries=self.retries,
            address=self.address,
            job_cpus=self.job_cpus,
            job_gpus=self.job_gpus,
        )
        if self.print_jobs:  # standard output is theirs alone
            console = Console(stderr=True)

        prices = {"equal_flops": self.equal_flops, "equal_parameters": self.equal_parameters}
        asked = {name: price for name, price in prices.items() if price is not None}
        if self.smoke and asked:
            raise ValueError(
                "--smoke is over in seconds and leaves equal prices out: ask for them without it, "
                "with a small --budget"
            )
        experiment = self.resolve(self.experiment, self.generators, **asked)
        if self.estimate is not None:
            say_estimate([experiment, *further(experiment).values()], self.estimate, console)
            return 0
        uneven = presets.uneven(presets.named(self.preset), list(experiment.generators))
        if uneven:
            console.print(uneven, style="bold yellow", markup=False, soft_wrap=True)
        executor.check(experiment)
        settings = prepare(experiment, self.out)  # a slip is named at once
        if self.print_jobs:
            say_jobs(settings, console)
            return 0
        say_cost([setting.experiment for setting in settings], console)
        with resumable(console):
            comparison = carry_out(settings, executor=executor, console=console)
        console.print(f"\n{comparison.verdict.headline}", style="bold", markup=False)
        for sentence in (*comparison.verdict.findings, *comparison.verdict.limits):
            console.print(f"  {sentence}", markup=False, highlight=False)
        console.print(f"\nReport: {comparison.report}", markup=False, soft_wrap=True)
        for job, error in comparison.failed.items():
            console.print(f"{job} failed: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1 if comparison.failed else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepare:
    """Draw the prompts, train the judge and judge the anchors of a comparison whose jobs were
    printed; otherwise the first job does, and the others wait for it.

    Example: vidgen prepare runs/quick
    """

    folder: Positional[str]
    """A comparison's folder, such as runs/quick."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.court import prepare_court
        from vidgen.comparison.folder import ComparisonFolder
        from vidgen.comparison.question import settings_of_jobs
        from vidgen.comparison.terminal import resumable

        settings = settings_of_jobs(ComparisonFolder.at(self.folder))
        with resumable(console):
            for setting in settings:
                prepare_court(setting, console)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """Do one of the jobs that `vidgen compare EXPERIMENT --print-jobs` prints: train, answer and be
    judged. The same command goes on with one that was stopped.

    Example: vidgen job runs/quick/diffusion/seed-0
    """

    folder: Positional[str]
    """The job's run folder, such as runs/quick/diffusion/seed-0."""
    wait: float = 0.0
    """Seconds to wait for another process that is at work in the folder, instead of none."""
    leashed: bool = False
    """Save and stop when standard input ends, as after SIGTERM."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.court import court_of, prepare_court
        from vidgen.comparison.executors import Assignment, child
        from vidgen.comparison.terminal import resumable

        if self.leashed:
            child.leave_when_let_go()
        assignment = Assignment.at(self.folder)
        with resumable(console):
            prepare_court(court_of(assignment.setting), console)
            assignment.do(console, patience=self.wait)
        console.print(f"Run: {assignment.run.path}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(_Question):
    """Train one generator of an experiment, have it answer the prompts, and judge it.

    Example: vidgen train quick diffusion --budget 400steps --seeds 0
    """

    experiment: Positional[str]
    """A name or a path to a Python file."""
    generator: Positional[str]
    """A name (see `vidgen list generators`)."""
    coordinator: str | None = None
    """Train in several processes, of which this is one and each gets the same command: address and
    port of process 0, such as 10.0.0.1:1234, or auto where a cluster says it (SLURM, TPU pods)."""
    processes: int | None = None
    """How many they are; not on such a cluster."""
    process: int | None = None
    """Which of them this is, from 0; not on such a cluster."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.answers import ask_job_again
        from vidgen.comparison.folder import ComparisonFolder
        from vidgen.comparison.jobs import help_train, jobs_of, run_job
        from vidgen.comparison.question import write_record
        from vidgen.comparison.rollouts import roll_job_out
        from vidgen.comparison.setting import Setting
        from vidgen.comparison.terminal import resumable, say_cost, say_scores
        from vidgen.training import processes

        if self.coordinator is not None:
            address = None if self.coordinator == "auto" else self.coordinator
            processes.join(address, self.processes, self.process)
        elif self.processes is not None or self.process is not None:
            raise ValueError("--processes and --process ask for --coordinator")
        experiment = self.resolve(self.experiment, [self.generator])
        folder = ComparisonFolder.at(self.out or f"runs/{experiment.name}")
        setting = Setting(experiment, folder)
        jobs = jobs_of(experiment)
        if processes.count() > 1 and len(jobs) > 1:
            raise ValueError(
                f"several processes train one run together, and here are {len(jobs)}: give one "
                "seed, and --set curve="
            )
        if not processes.first():
            help_train(jobs[0], setting, console)
            return 0
        write_record(setting)
        say_cost([experiment], console)
        with resumable(console):
            for job in jobs:
                run_job(job, setting, console)
                ask_job_again(job, setting, console)
                roll_job_out(job, setting, console)
                run = folder.run(job.generator, job.seed, job.share)
                say_scores(run, console)
                console.print(f"Run: {run.path}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tune(_Changed):
    """Search for a generator's config, by success on validation prompts; the same command goes on
    with a search that was stopped, or adds trials. For a fair comparison give every generator the
    same trials and budget.

    Example: vidgen tune quick gan --trials 8 --budget 40s
    """

    experiment: Positional[str]
    """A name or a path to a Python file; its own config is the first trial."""
    generator: Positional[str]
    """A name (see `vidgen list generators`)."""
    trials: int = 16
    """Trainings, in all."""
    seed: int | None = None
    """Of every trial and of the proposals, 1000 by default; none that the experiment takes."""
    out: str | None = None
    """Where the search is kept; runs/tune-EXPERIMENT-GENERATOR by default."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import tuning
        from vidgen.comparison.terminal import resumable, say_search, say_search_cost

        if self.trials < 1:
            raise ValueError(f"--trials must be at least 1, got {self.trials}")
        experiment = self.changed(self.experiment, [self.generator])
        folder = tuning.folder_of(experiment, self.generator, self.out)
        seed = tuning.SEED if self.seed is None else self.seed
        search = tuning.Search(experiment, self.generator, folder, seed=seed)
        say_search_cost(search, self.trials, console)
        with resumable(console):
            search.go_on(self.trials, console)
        say_search(search, console)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """Draw clips from a trained generator and write them to a file.

    Example: vidgen sample runs/quick/diffusion/seed-0 --text "the digit 3 is moving up and left"
    --out clip.mp4
    """

    folder: Positional[str]
    """A run folder, such as runs/quick/diffusion/seed-0, a model file, or zoo:NAME."""
    text: tuple[str, ...] = ()
    """Sentences, one a clip, each in quotes; without any, one of training that the seed draws."""
    image: str | None = None
    """A picture file that becomes the first frame."""
    plan: str | None = None
    """A JSON file of boxes that say where things are to be, see `vidgen.comparison.plans`; for a
    model that was trained with task.objects."""
    out: str = "clip.mp4"
    """The file: .mp4, .gif, .webp, or .png for a sheet of frames."""
    count: int = 1
    """Clips a sentence, or in all where none is given."""
    seconds: float | None = None
    """Of each clip; by default as long as those it learned from. Longer ones are rollouts."""
    seed: int = 0
    """Of the draw."""
    set: tuple[str, ...] = ()
    """Sampler settings, e.g. steps=40 guidance=2."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import load, overrides, plans, video

        if self.count < 1:
            raise ValueError(f"--count must be at least 1, got {self.count}")
        video.check(self.out)
        model = load(self.folder)
        changes = overrides.sampler_changes(model.generator, overrides.parse(self.set))
        texts = [text for text in self.text or (None,) for _ in range(self.count)]
        plan = None if self.plan is None else plans.read(self.plan, model.task.frames)
        frames = None if self.seconds is None else model.frames(self.seconds)
        clips = model.sample(
            texts, image=self.image, seed=self.seed, plan=plan, frames=frames, **changes
        )
        path = video.write(self.out, clips, fps=model.task.fps)
        if not self.text and plan is None:
            for place, drawn in enumerate(model.draw_sentences(self.seed, range(len(clips)))):
                if drawn is not None:
                    console.print(f"Clip {place}, by a sentence of training: {drawn}", markup=False)
        console.print(f"{len(clips)} clips: {path}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Animate:
    """Have every family move a photograph as an idea says, side by side.

    Example: vidgen animate example:flower "slowly zoom in" --seconds 3 --out clips
    """

    photo: Positional[str]
    """A picture file, of phones turned upright; or one that no model of the zoo saw, such as
    example:flower."""
    idea: Positional[str]
    """What is to happen, in your own words, in English or Chinese."""
    out: str = "clips"
    """The folder for a clip a family, sheet.png with all of them, and animation.json."""
    seconds: float | None = None
    """Of the clips; longer than those that a model learned from are rollouts. 3 of a photograph,
    otherwise as long as those."""
    generators: tuple[str, ...] = ("all",)
    """Who, e.g. gan diffusion."""
    source: str | None = None
    """What the zoo's models that are asked have learned from (see vidgen list zoo): camera by
    default, which moves any photograph; others go on from pictures of their own, such as
    example:0."""
    models: tuple[str, ...] = ()
    """Model files instead of the zoo's."""
    fit: str = "crop"
    """How the photograph comes into the model's frame: crop (its middle), or letterbox (the whole,
    what is beside it mirrored and cut off again)."""
    formats: tuple[str, ...] = ("mp4",)
    """Of the clips: mp4, webp, gif."""
    seed: int = 0
    """Of the draws; the same one makes the same clips."""

    def run(self, console: Console) -> int:
        from vidgen.app import files
        from vidgen.app.studio import Studio

        studio = Studio(self.models, source=self.source)
        folder = files.check(self.out, self.formats)
        made, written = None, dict[str, list[Any]]()
        for made in studio.draw(
            self.photo,
            self.idea,
            seconds=self.seconds,
            seed=self.seed,
            generators=self.generators,
            fit=self.fit,
        ):
            if not made.clips:
                console.print(f"Photograph: {made.photo}", markup=False, highlight=False)
                if made.understood.by != "sentence":
                    console.print(f"Understood as: {made.understood.sentence}", markup=False)
                if made.understood.by == "words":
                    console.print(studio.ideas.told, markup=False, soft_wrap=True)
            for one in made.clips[-1:]:
                console.print(f"{one.generator}: {one.took}", markup=False, soft_wrap=True)
                written[one.generator] = files.write_clip(one, made, folder, self.formats)
                for path in written[one.generator]:
                    console.print(f"Clip: {path}", markup=False, soft_wrap=True)
        assert made is not None
        files.finish(made, folder, written)
        console.print(f"Sheet: {folder / files.SHEET}", markup=False, soft_wrap=True)
        return int(not all(written.values()))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve:
    """Open a page on which every family moves a visitor's photograph as he says, and an arena in
    which he votes on a comparison's answers without their names.

    Example: vidgen serve --arena runs/quick
    """

    source: str | None = None
    """What the zoo's models have learned from (see vidgen list zoo): camera by default, which moves
    any photograph; others go on from pictures of their own, which the page offers."""
    models: tuple[str, ...] = ()
    """Model files instead of the zoo's."""
    arena: str | None = None
    """A comparison's folder, where the votes are kept and `vidgen report` finds them."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 shows the page to the network."""
    port: int | None = None
    """To listen on; a free one from 7860 on by default."""

    def run(self, console: Console) -> int:
        import signal
        import threading

        from vidgen.app import page
        from vidgen.app.arena import Arena
        from vidgen.app.studio import Studio
        from vidgen.comparison.folder import ComparisonFolder

        arena = None if self.arena is None else Arena(ComparisonFolder.at(self.arena))
        studio = Studio(self.models, source=self.source)
        console.print(studio.ideas.told, markup=False, soft_wrap=True)

        ends = [
            number
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN  # as under nohup
        ]

        def end(*_: object) -> None:
            for number in ends:  # a second one would cut short what the first one began
                signal.signal(number, signal.SIG_IGN)
            raise KeyboardInterrupt

        for number in ends:
            signal.signal(number, end)
        with (
            contextlib.suppress(KeyboardInterrupt),
            page.served(studio, arena, host=self.host, port=self.port) as address,
        ):
            console.print(f"Page: {address} (Ctrl-C ends it)", markup=False, soft_wrap=True)
            threading.Event().wait()
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write the trained generator of a run as one file, in half precision, with a card that says
    what it is and what it scores; `vidgen sample` and `vidgen.load` read it.

    Example: vidgen export runs/quick/diffusion/seed-0 --out diffusion.safetensors
    """

    folder: Positional[str]
    """A run folder, such as runs/quick/diffusion/seed-0."""
    out: str = "model.safetensors"
    """The file, .safetensors."""
    faults: str = ""
    """What is known to be wrong with its clips, for the card."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import model_file

        card = model_file.export(self.folder, self.out, faults=self.faults, console=console)
        console.print(model_file.described(card), markup=False, highlight=False)
        console.print(f"Model: {self.out}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Judge the saved answers of a run anew, and print the scores; the model is not needed.

    Example: vidgen evaluate runs/quick/diffusion/seed-0
    """

    folder: Positional[str]
    """A run folder."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.folder import of_run
        from vidgen.comparison.jobs import judge_again
        from vidgen.comparison.question import setting_of
        from vidgen.comparison.terminal import say_scores

        folder, generator, seed, share = of_run(self.folder)
        run = folder.run(generator, seed, share)
        judge_again(run, setting_of(folder))
        say_scores(run, console)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """Time the sampling of all runs of a comparison again, one after another on this machine, and
    write the report anew. For an idle machine, after jobs that ran side by side or elsewhere.

    Example: vidgen price runs/quick
    """

    folder: Positional[str]
    """A comparison's folder, with the weights of its runs."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import report
        from vidgen.comparison.folder import ComparisonFolder
        from vidgen.comparison.pricing import price_again

        left = price_again(ComparisonFolder.at(self.folder), console)
        if left:
            console.print(f"{len(left)} runs keep their prices.", highlight=False)
        written = report(self.folder).report
        console.print(f"Report: {written}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """Write results.json and report.html anew from a run folder; no model is needed.

    Example: vidgen report runs/quick
    """

    folder: Positional[str]
    """A comparison's folder, such as runs/quick."""
    recompute: bool = False
    """Judge the saved clips again instead of taking the saved scores."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import report

        comparison = report(self.folder, recompute=self.recompute)
        console.print(comparison.verdict.headline, style="bold", markup=False)
        console.print(f"Report: {comparison.report}", markup=False, soft_wrap=True)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """Show what there is: generators (broken plug-ins with the reason), data, text encoders,
    metrics, experiments, and trained models.

    Example: vidgen list generators
    """

    what: Positional[str] = "all"
    """What to show: generators, data, text, metrics, experiments, zoo, or all."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.listing import tables

        for table in tables(self.what):
            console.print(table)
        return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doctor:
    """Show versions, devices, memory, disk, measured speeds, packages and weights, and what to do
    about whatever is amiss; exits with 1 if something needed is missing.

    Example: vidgen doctor
    """

    json: bool = False
    """Print JSON for scripts."""

    def run(self, console: Console) -> int:
        from vidgen.comparison.doctor import examine
        from vidgen.comparison.terminal import say_findings

        findings = examine()
        if self.json:
            print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
        else:
            say_findings(findings, console)
        return int(any(finding.missing for finding in findings))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Look at a source of clips before training on it: check reads every clip once and reports
    what is corrupt, missing or in two splits; preview shows some.

    Example: vidgen data check folder:clips
    Example: vidgen data preview digits --out sheet.png
    """

    action: Positional[Literal["check", "preview"]]
    """What to do."""
    source: Positional[str] = "all"
    """A source of clips (see `vidgen list data`), such as digits or folder:PATH; for check, all."""
    set: tuple[str, ...] = ()
    """Options of the source, e.g. motion=mage size=48,64."""
    most: int | None = None
    """check: clips of a split that are read; by default all, of simulated sources 1024."""
    split: str = "train"
    """preview: the split that is shown."""
    count: int = 12
    """preview: how many clips."""
    out: str = "sheet.png"
    """preview: the file, .png or .html."""

    def run(self, console: Console) -> int:
        from vidgen.comparison import overrides

        options = overrides.parse(self.set)
        if "split" in options:
            raise ValueError("a split is chosen by --split: a check reads every one of them")
        return (self._check if self.action == "check" else self._preview)(options, console)

    def _check(self, options: dict[str, Any], console: Console) -> int:
        from vidgen.comparison.counting import counting
        from vidgen.data import sources, survey

        sound, left_out = True, list[str]()
        for name in sources() if self.source == "all" else [self.source]:
            with counting(name, console) as tick:
                try:
                    found = survey(name, most=self.most, tick=tick, **options)
                except ImportError as error:
                    if self.source != "all":
                        raise
                    left_out.append(f"{name} is left out: {error}")
                    continue
            console.print(str(found), markup=False, highlight=False, soft_wrap=True)
            sound = sound and found.sound
        for why in left_out:
            console.print(why, markup=False, highlight=False, soft_wrap=True)
        return 0 if sound else 1

    def _preview(self, options: dict[str, Any], console: Console) -> int:
        from vidgen.comparison.preview import preview
        from vidgen.data import source

        if self.source == "all":
            raise ValueError("say which source is shown: vidgen data preview digits")
        path = preview(source(self.source, split=self.split, **options), self.out, count=self.count)
        console.print(f"Preview: {path}", markup=False, soft_wrap=True)
        return 0


COMMANDS: dict[str, type[Any]] = {
    "compare": Compare,
    "prepare": Prepare,
    "job": Job,
    "train": Train,
    "tune": Tune,
    "sample": Sample,
    "animate": Animate,
    "serve": Serve,
    "export": Export,
    "evaluate": Evaluate,
    "price": Price,
    "report": Report,
    "list": List,
    "doctor": Doctor,
    "data": Data,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the process exits with what it returns."""
    from rich.console import Console

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    keep_freed_memory()
    console = Console()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        near = difflib.get_close_matches(arguments[0], COMMANDS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "commands: " + ", ".join(COMMANDS)
        return _refuse(f"no command is called {arguments[0]!r}; {hint}")
    kinds = tuple(Annotated[c, tyro.conf.subcommand(name)] for name, c in COMMANDS.items())
    try:
        command = tyro.cli(
            Union[kinds],  # type: ignore[arg-type]  # noqa: UP007
            args=arguments,
            prog="vidgen",
            description="Which class of video generator is better, at what, and at what price? "
            "Example: vidgen compare quick",
            config=(tyro.conf.OmitArgPrefixes,),
        )
        return command.run(console)
    except Exception as error:
        if os.environ.get("VIDGEN_TRACEBACK"):
            raise
        return _explain(error)


def _explain(error: Exception) -> int:
    """Say in a sentence what a person can mend; any other fault keeps its traceback."""
    from vidgen.comparison.folder import FolderError
    from vidgen.comparison.overrides import OverrideError
    from vidgen.registry import UnknownNameError
    from vidgen.training import (
        CheckpointError,
        DivergedError,
        FingerprintError,
        LockError,
        OutOfMemoryError,
    )

    if isinstance(error, CheckpointError | DivergedError | FingerprintError | LockError):
        return _refuse(str(error), code=1)
    if isinstance(error, OutOfMemoryError):
        return _refuse(f"out of memory: {error}", code=1)
    if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
        advice = "ask for fewer clips at once: answer_batch of an experiment, --count of a sample"
        return _refuse(f"out of memory: {error}; {advice}", code=1)
    if isinstance(error, UnknownNameError | OverrideError | FolderError):
        return _refuse(str(error))
    if isinstance(error, ValueError | FileNotFoundError | ImportError):
        return _refuse(f"{error} (VIDGEN_TRACEBACK=1 shows where)")
    if isinstance(error, OSError):
        return _refuse(f"{error} (VIDGEN_TRACEBACK=1 shows where)", code=1)
    if isinstance(error, MemoryError):
        return _refuse(f"out of memory: {error or 'ask for less at once'}", code=1)
    raise error


def _refuse(message: str, *, code: int = 2) -> int:
    print(f"vidgen: {message}", file=sys.stderr)
    return code
