"""Comparisons whose jobs run in processes of their own, and on a cluster that loses a node.

The families are toys, which child processes find as a plug-in.
"""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from rich.console import Console

from vidgen.cli import main
from vidgen.comparison import catalogue, court, jobs
from vidgen.comparison.executors import Assignment, Here, InProcesses, OnRay, screen
from vidgen.comparison.executors.assignment import assignments
from vidgen.comparison.folder import ComparisonFolder, read_json
from vidgen.comparison.jobs import Job
from vidgen.comparison.question import prepare, setting_of_jobs
from vidgen.comparison.setting import Setting
from vidgen.evaluation import ClipSet
from vidgen.training import Cost

# What a child's first attempt at the toy does at its fourth step: wait until whoever started it is
# gone, and until it has been told so.
WAITS = "\n".join(
    (
        "parent = os.getppid()",
        "while os.getppid() == parent:",
        "    time.sleep(0.05)",
        "time.sleep(1.0)",
    )
)

PLUGIN = """
import importlib.util, os, pathlib, signal, sys, time

spec = importlib.util.spec_from_file_location("toys_of_tests", {toys!r})
toys = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)
toys.register("toy", toys.ToyConfig)(toys.Toy)

from vidgen.training.progress import Display

update, struck = Display.update, pathlib.Path({struck!r})

def strike():
    {strike}

def updated(self, progress, *rest):
    update(self, progress, *rest)
    if progress > 0.6 and not struck.exists():
        struck.write_text(str(os.getpid()))
        strike()

Display.update = updated
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs the toy for child processes; gives the file that says it was struck."""

    def install(strike="pass"):
        struck = tmp_path / "struck"
        toys = str(pathlib.Path(__file__).with_name("conftest.py"))
        code = PLUGIN.format(toys=toys, struck=str(struck), strike=strike.replace("\n", "\n    "))
        (tmp_path / "toys_plugin.py").write_text(code)
        info = tmp_path / "toys-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[vidgen.generators]\ntoy = toys_plugin\n")
        root = str(pathlib.Path(__file__).parents[2])
        paths = (str(tmp_path), root, os.environ.get("PYTHONPATH", ""))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        # As `tests/conftest.py` configures this process.
        monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        return struck

    return install


@contextlib.contextmanager
def held_by_another(lock):
    """A lock that a process of another host has just given a sign of life of."""
    lock.write_text(json.dumps({"pid": 1, "started": "", "host": "elsewhere", "beats": True}))
    yield
    lock.unlink()


@pytest.fixture(scope="module")
def question(prepared, experiment):
    """What is asked here: of two families, without the judge's networks, which each process would
    train or fit anew.
    """
    with prepared():
        found = catalogue.find(experiment).select(generators=["toy", "copy-first-frame"])
        yield dataclasses.replace(found, metrics=("pixel",)).resolve()


@pytest.fixture(scope="module")
def here(prepared, question, tmp_path_factory):
    """The folder of the comparison in one process."""
    with prepared():
        return carried_out(question, Here(), tmp_path_factory.mktemp("runs") / "here")


def carried_out(question, executor, out, console=None):
    """The folder of a comparison, but for its report."""
    console = console or Console(quiet=True)
    executor.check(question)
    assert executor.run(assignments(prepare(question, out), console), console) == {}
    return out


RUNS = ("toy/seed-0", "copy-first-frame/seed-0")


def assert_same(one, other, runs=RUNS):
    """Logs, answers and scores, bit for bit."""
    logs = [folder / "toy/seed-0/metrics.jsonl" for folder in (one, other)]
    assert logs[0].read_bytes() == logs[1].read_bytes()
    for run in runs:
        clips = [ClipSet.load(f / run / "samples/test-8.npz").video for f in (one, other)]
        np.testing.assert_array_equal(*clips)
        scores = [
            read_json(ComparisonFolder.at(f).path / run / "scores.json") for f in (one, other)
        ]
        assert scores[0] == scores[1]
        assert any(row["value"] is not None for row in scores[0]["rows"])


@pytest.mark.slow
def test_processes_come_to_the_same_bits(question, here, plugin, tmp_path):
    plugin()
    said = Console(file=io.StringIO(), width=200)
    out = with_the_court_of(here, tmp_path / "runs")
    carried_out(question, InProcesses(at_once=2), out, said)
    assert "(2 of 2)" in said.file.getvalue()
    assert_same(out, here)
    carried_out(question, InProcesses(), out, said)  # all is done, and nothing is started
    assert said.file.getvalue().count("started") == 2


@pytest.mark.slow
def test_jobs_save_and_leave_when_the_one_who_started_them_is_killed(
    question, experiment, here, plugin, tmp_path
):
    struck, out = plugin(WAITS), with_the_court_of(here, tmp_path / "runs")
    command = (sys.executable, "-m", "vidgen", "compare", experiment, "--out", str(out))
    # No checkpoint before the end, but for that which the leash asks for.
    changes = ("--set", "metrics=pixel", "training.checkpoint_every=1.0")
    options = ("--generators", "toy", "--executor", "processes", *changes)
    run, quiet = out / "toy/seed-0", subprocess.DEVNULL
    with subprocess.Popen([*command, *options], stdout=quiet) as parent:
        wait_until(struck.exists)
        assert (run / "lock").exists()
        parent.kill()
    wait_until(lambda: not (run / "lock").exists())
    toy = question.select(generators=["toy"]).resolve()
    carried_out(toy, InProcesses(at_once=1), out)
    said = (run / "job.log").read_text()
    assert said.count("--- started") == 2
    assert "going on with phase 'mean' at step 5" in said
    assert Cost.read(run).phases["mean"].resumed == 1
    assert_same(out, here, RUNS[:1])


def wait_until(so):
    """A job's start takes seconds, and on a busy machine minutes."""
    deadline = time.monotonic() + 600
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def with_the_court_of(here, out):
    """A folder with the prompts and anchors of another, whose jobs are not done."""
    jobs_of_here = shutil.ignore_patterns(*(pathlib.PurePath(run).parts[0] for run in RUNS))
    return shutil.copytree(here, out, ignore=jobs_of_here)


def test_printed_jobs_are_done_by_whoever_likes_and_the_court_is_prepared_once(
    experiment, here, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "runs"
    families = ("--generators", "toy", "copy-first-frame")
    command = ("compare", experiment, "--out", str(out), "--set", "metrics=pixel", *families)
    assert main([*command, "--print-jobs"]) == 0
    printed, said = capsys.readouterr()
    runs = [f"{out}/{run}" for run in RUNS]
    assert printed.splitlines() == [f"vidgen job {run}" for run in runs]
    assert f"vidgen prepare {out}" in " ".join(said.split())
    assert [path.name for path in out.iterdir()] == ["experiment.json"]

    # Two that prepare at once: the second waits, and finds all that the first has made.
    judged = []
    original = jobs._judge
    monkeypatch.setattr(
        jobs, "_judge", lambda *a, **o: (judged.append(o["generator"]), original(*a, **o))
    )
    quiet = Console(quiet=True)
    settings = [setting_of_jobs(ComparisonFolder.at(out)) for _ in range(2)]
    threads = [threading.Thread(target=court.prepare_court, args=(s, quiet)) for s in settings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    anchors = read_json(ComparisonFolder.at(out).experiment)["anchors"]
    assert len(anchors) > 3
    assert sorted(judged) == sorted(anchors)
    assert not (out / "court.lock").exists()

    assert main(["job", runs[1]]) == 0
    assert sorted(judged) == sorted([*anchors, "copy-first-frame"])
    scores = [json.loads((f / RUNS[1] / "scores.json").read_text()) for f in (out, here)]
    assert scores[0] == scores[1]
    capsys.readouterr()
    assert main([*command, "--print-jobs"]) == 0
    assert capsys.readouterr().out == f"vidgen job {runs[0]}\n"

    assert main(["job", f"{out}/toy/seed-7"]) == 2
    assert "is no job of" in capsys.readouterr().err
    (out / RUNS[0]).mkdir(parents=True)
    with held_by_another(out / RUNS[0] / "lock"):
        assert main(["job", runs[0]]) == 1
    assert "is held by process 1 on elsewhere" in capsys.readouterr().err
    assert not (out / RUNS[0] / "failure.json").exists()


def test_jobs_ask_what_was_asked_last(experiment, tmp_path):
    """A record knows all that was ever asked of a folder; a process of its own must not."""
    out = str(tmp_path / "runs")
    command = ("compare", experiment, "--out", out, "--print-jobs", "--generators", "toy", "--set")
    assert main([*command, "horizon=2", "answers=3"]) == 0
    assert main(["compare", experiment, "--out", out, "--print-jobs", "--seeds", "1"]) == 0
    job = Assignment.at(f"{out}/toy/seed-0")  # of before, which still may be done
    asked = job.setting.experiment
    assert (asked.seeds, asked.horizon, asked.answers) == ((0, 1), 1, 1)
    assert read_json(job.setting.folder.experiment)["experiment"]["horizon"] == 2


class Scripts:
    """Jobs that are shell scripts: the run folder is $1, and standard input the leash."""

    def __init__(self, folder, scripts):
        experiment = catalogue.find("quick").select(generators=["toy"], budget="6steps")
        self.setting = Setting(experiment.resolve(), ComparisonFolder.at(folder))
        self.scripts = scripts
        self.work = [
            Assignment(Job(generator="toy", seed=seed), self.setting)
            for seed in range(len(scripts))
        ]

    def arguments(self, run):
        script = self.scripts[int(pathlib.Path(run).name.removeprefix("seed-"))]
        become = f"import os; os.chdir({run!r}); os.execvp('sh', ['sh', '-c', {script!r}])"
        return ["-I", "-S", "-c", become]

    def run(self, console=None, **options):
        pool = InProcesses(arguments=self.arguments, **options)
        return pool.run(self.work, console or Console(quiet=True))

    def all_have(self, name):
        return all(assignment.run.path.joinpath(name).exists() for assignment in self.work)


@pytest.mark.fault(11)
def test_the_lost_are_started_again_and_the_failed_named_with_their_log(tmp_path):
    count = "echo >> starts; n=$(wc -l < starts); "
    scripts = Scripts(
        tmp_path,
        (
            count + "[ $n -gt 2 ] || kill -9 $$",
            count + "echo the brush broke; exit 1",
            count + "kill -9 $$",
            count + "exit 143",
            count + "true",
        ),
    )
    failed = scripts.run(at_once=2, retries=2)
    logs = [assignment.run.log for assignment in scripts.work]
    assert failed == {
        "toy seed 1": f"exit code 1: the brush broke; its log: {logs[1]}",
        "toy seed 2": f"killed by SIGKILL, 3 times; its log: {logs[2]}",
        "toy seed 3": f"stopped by SIGTERM, 3 times; its log: {logs[3]}",
    }
    starts = [a.run.path.joinpath("starts").read_text().count("\n") for a in scripts.work]
    assert starts == [3, 1, 3, 3, 1]
    # The report says so too, of whoever had no time to say it.
    told = [a.run.failure.exists() for a in scripts.work]
    assert told == [False, False, True, True, False]
    assert read_json(scripts.work[2].run.failure)["error"] == "killed by SIGKILL, 3 times"


def test_as_many_run_at_once_as_were_asked_for_and_a_line_says_what_each_does(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(screen, "_REFRESH", 0.05)
    log, seen = tmp_path / "log", io.StringIO()
    terminal = Console(file=seen, force_terminal=True, width=100, height=20)
    script = f"echo + >> {log}; echo 'toy seed 4 mean  40%'; sleep 0.5; echo - >> {log}"
    scripts = Scripts(tmp_path / "runs", [script] * 5)
    assert scripts.run(terminal, at_once=2) == {}
    assert "toy seed 4  mean  40%" in seen.getvalue()
    assert "4 of 5 finished" in seen.getvalue()
    running = np.cumsum([{"+": 1, "-": -1}[sign] for sign in log.read_text().split()])
    assert running.max() == 2
    assert running[-1] == 0


def test_ctrl_c_has_every_job_save_before_it_stops_and_a_second_one_ends_them(tmp_path):
    def struck(folder, scripts, signals):
        jobs_ = Scripts(folder, scripts)

        def strike():
            for ready in signals:
                while not jobs_.all_have(ready):
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=strike)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            jobs_.run(at_once=len(scripts))
        thread.join()
        return jobs_

    # The end of standard input is what tells them.
    saves = "touch running; cat > /dev/null; sleep 0.2; touch saved"
    assert struck(tmp_path / "once", [saves] * 2, ["running"]).all_have("saved")
    hangs = "touch running; cat > /dev/null; touch hangs; sleep 60"
    began = time.monotonic()
    struck(tmp_path / "twice", [hangs] * 2, ["running", "hangs"])
    assert time.monotonic() - began < 30


def raylet_of(job):
    """The process of Ray that started the worker that holds a job's leash: its parent's parent."""
    for _ in range(2):
        job = int(pathlib.Path(f"/proc/{job}/stat").read_text().rpartition(")")[2].split()[1])
    return job


@pytest.mark.fault(11)
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what Ray warns of is Ray's
def test_a_cluster_that_loses_a_node_comes_to_the_same_bits(
    question, here, plugin, tmp_path, monkeypatch
):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    struck, out = plugin(WAITS), tmp_path / "runs"
    said = Console(file=io.StringIO(), width=200)
    # A busy machine would starve workers that are nicer than their cluster.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    lost = []

    def lose_the_node_of_the_toy():
        while not struck.exists():
            time.sleep(0.05)
        job = json.loads((out / "toy/seed-0/lock").read_text())["pid"]
        lost.append(raylet_of(job))
        cluster.remove_node(nodes[lost[0]], allow_graceful=False)

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        added = [cluster.add_node(num_cpus=1) for _ in range(2)]
        nodes = {node.all_processes["raylet"][0].process.pid: node for node in added}
        thread = threading.Thread(target=lose_the_node_of_the_toy)
        thread.start()
        carried_out(question, OnRay(cluster.address), out, said)
        thread.join()
    finally:
        cluster.shutdown()
    assert nodes.keys() > set(lost)
    assert "toy seed 0: started, attempt 2" in said.file.getvalue()
    assert Cost.read(out / "toy/seed-0").phases["mean"].resumed == 1
    assert_same(out, here)
