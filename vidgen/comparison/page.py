"""The report: one self-contained page, a pure function of a run folder."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from vidgen.comparison import drawing, panels, votes
from vidgen.comparison.alarms import Watched, watched
from vidgen.comparison.choices import agreement_table, settings_table
from vidgen.comparison.curves import Curves, frame_curves, observations
from vidgen.comparison.equal_price import equal_table
from vidgen.comparison.experiment import encoder_of
from vidgen.comparison.exports import write_exports
from vidgen.comparison.folder import ComparisonFolder, read_json, write_text
from vidgen.comparison.gallery import walls
from vidgen.comparison.headings import AT_EQUAL, COST_DEFINITIONS, title
from vidgen.comparison.looking import looked
from vidgen.comparison.panels import Panels
from vidgen.comparison.results import Results, agreement
from vidgen.comparison.rollouts import observed_rollouts
from vidgen.comparison.rows import (
    COMPOSITIONAL,
    EQUAL_FLOPS,
    EQUAL_PARAMETERS,
    EQUAL_PRICES,
    RECONSTRUCTION,
    ROLLOUT,
    TEST,
)
from vidgen.comparison.table import Table
from vidgen.comparison.tables import (
    cost_table,
    main_table,
    metric_tables,
    own_error_table,
    pair_table,
    reconstruction_table,
    rollout_table,
)
from vidgen.comparison.verdict import Verdict
from vidgen.comparison.wording import amount
from vidgen.evaluation import METHODS, METRICS
from vidgen.evaluation.observations import Observations
from vidgen.training import Budget, Cost


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """A report before it is written.

    Attributes:
        html: the page, without any outside resource.
        figures: its drawings by name, as SVG for a page.
        tables: its tables.
        rollouts: what it draws of clips longer than training's, by metric and prompts and by who.
    """

    html: str
    figures: Mapping[str, str]
    tables: tuple[Table, ...]
    rollouts: Mapping[tuple[str, str], Curves]


def write_page(
    folder: ComparisonFolder, record: Mapping[str, Any], results: Results, verdict: Verdict
) -> None:
    """Write the page, and its figures and tables as files beside it.

    Raises:
        ImportError: if matplotlib or jinja2 is absent, naming the extra that brings them.
    """
    page = compose(folder, record, results, verdict)
    write_exports(folder, page.figures, page.tables, results.rows, page.rollouts)
    write_text(folder.report, page.html)


def compose(
    folder: ComparisonFolder, record: Mapping[str, Any], results: Results, verdict: Verdict
) -> Page:
    """The page of a comparison.

    Args:
        folder: of the comparison.
        record: its ``experiment.json``.
        results: its rows.
        verdict: in words.

    Raises:
        ImportError: if matplotlib or jinja2 is absent, naming the extra that brings them.
    """
    template = _template()
    experiment, who = record["experiment"], _Cast.of(record, results)
    look = drawing.looks(who.contestants)
    oracle = read_json(folder.oracle) if folder.oracle.exists() else None
    rolled = _Rolled.of(folder, results)
    figures = _figures(folder, experiment, results, who, look, oracle)
    figures["rollouts"] = panels.along_frames(
        rolled.seen,
        who.contestants,
        look,
        given=experiment["task"]["context_frames"],
        trained=experiment["task"]["frames"],
        labels=rolled.labels,
    )
    alarms = watched(folder)
    tables = _tables(folder, experiment, results, who, oracle, alarms)
    answers = experiment.get("answers", 1)
    metrics = metric_tables(results, who.contestants, who.framing, answers=answers)
    measured = {row.metric for row in results.summary}
    html = template.render(
        title=experiment["name"],
        experiment=experiment,
        text_encoder=encoder_of(experiment.get("text"), experiment["source"]),
        record=record,
        verdict=verdict,
        budget=Budget(**experiment["budget"]),
        seeds=_seeds(experiment["seeds"], results),
        cards={name: record["cards"][name] for name in who.everybody},
        look=look,
        figures=figures,
        tables=tables,
        at_equal=AT_EQUAL,
        metric_tables=metrics,
        marked=any(cell.best for _, cells in tables["main"].lines for cell in cells),
        walls=walls(
            folder,
            f"{experiment['test_split']}-{experiment['prompts']}",
            [(name, folder.run(name, experiment["seeds"][0])) for name in who.contestants],
        ),
        looked=looked(
            folder,
            f"{experiment['test_split']}-{experiment['prompts']}",
            [(name, folder.run(name, experiment["seeds"][0])) for name in who.contestants],
        ),
        oracle_why=oracle["why"] if oracle else "",
        definitions=[(name, title(name), METRICS[name]) for name in METRICS if name in measured],
        cost_definitions=COST_DEFINITIONS,
        command=_command(experiment, record["order"]),
        crossed=panels.crossed(results, who.contestants),
        rolled=rolled,
        answers=answers if any(METRICS[m].several for m in METRICS if m in measured) else 1,
        devices=_devices(results) or [record["device"]],
        alarms=alarms,
        loads=_loads(folder, who.everybody, experiment["seeds"]),
        configuration=json.dumps(experiment, indent=2),
    )
    drawn: Panels = {name: svg for group in figures.values() for name, svg in group.items()}
    return Page(
        html=html,
        figures=drawn,
        tables=(*tables.values(), *(table for _, table in metrics)),
        rollouts=rolled.curves,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Cast:
    """Who is in a report: the generators that compete, and what they are framed by."""

    everybody: list[str]
    contestants: list[str]
    framing: list[str]

    @classmethod
    def of(cls, record: Mapping[str, Any], results: Results) -> _Cast:
        """Those that have rows, in the order of the experiment."""
        everybody = [name for name in record["order"] if name in results.who("generator")]
        families = {name: record["cards"][name]["family"] for name in everybody}
        contestants = [name for name in everybody if families[name] != "baseline"]
        baselines = [name for name in everybody if name not in contestants]
        framing = [*baselines, *results.who("anchor")]
        return cls(everybody=everybody, contestants=contestants, framing=framing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rolled:
    """Clips longer than training's, as a page shows them.

    Attributes:
        seen: metrics along their frames, a seed each, by who made them.
        labels: by who made them, how as well.
        absent: by generator that made none, why.
    """

    seen: Mapping[str, Sequence[Observations]]
    labels: Mapping[str, str]
    absent: Mapping[str, str]

    @classmethod
    def of(cls, folder: ComparisonFolder, results: Results) -> _Rolled:
        """What the run folders hold; nothing where nobody was asked."""
        rows = [row for row in results.summary if row.protocol == ROLLOUT]
        made = {row.generator: row.method for row in rows if row.value is not None}
        return cls(
            seen=observed_rollouts(folder),
            labels={n: f"{n}, {METHODS[how]}" if how else n for n, how in made.items()},
            absent={row.generator: row.note for row in rows if row.generator not in made},
        )

    @property
    def curves(self) -> Mapping[tuple[str, str], Curves]:
        """By metric and prompts, and by who made them and how."""
        return {
            key: {self.labels.get(who, who): curve for who, curve in curves.items()}
            for key, curves in frame_curves(self.seen).items()
        }


def _template() -> Any:
    """The page's template.

    Raises:
        ImportError: if matplotlib or jinja2 is absent, naming the extra that brings them.
    """
    try:
        import jinja2
        import matplotlib  # noqa: F401 - the figures need it, and say so less well
    except ImportError as error:
        raise ImportError(
            f"the report needs {error.name}: pip install 'vidgen[report]'; "
            "then `vidgen report DIR` writes it, and nothing is computed again"
        ) from error

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vidgen.comparison", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _figures(
    folder: ComparisonFolder,
    experiment: Mapping[str, Any],
    results: Results,
    who: _Cast,
    look: drawing.Look,
    oracle: Mapping[str, Any] | None,
) -> dict[str, Panels]:
    """The page's figures by the places where they stand; one without panels is left out there."""
    seen = observations(folder)
    confused: dict[str, list[Observations]] = {}
    if oracle is not None:
        confused = {n: [Observations.from_json(o)] for n, o in oracle["observed"].items()}
        reconstructions = [name for name in seen if name.startswith(RECONSTRUCTION)]
        others = [*reconstructions, *who.contestants]
        confused |= {name: seen[name] for name in others if name in seen}
    given = experiment["task"]["context_frames"]
    return {
        "success": panels.forest(results, who.contestants, who.everybody, look),
        "training": panels.training(results, who.contestants, look),
        "sampling": panels.sampling(results, who.contestants, look),
        "settings": panels.settings(folder, who.contestants, experiment["seeds"], look),
        "drift": panels.along_frames(seen, who.contestants, look, given=given),
        "losses": panels.losses(folder, results, who.contestants, look),
        "confusion": panels.confusions(confused),
    }


def _tables(
    folder: ComparisonFolder,
    experiment: Mapping[str, Any],
    results: Results,
    who: _Cast,
    oracle: Mapping[str, Any] | None,
    alarms: Watched,
) -> dict[str, Table]:
    """The page's tables by the places where they stand, but for those of all metrics."""
    poll = votes.poll(folder)
    strengths = votes.ranked(poll)
    further = {
        "preference": votes.preference_table(strengths, poll.outdated)
        if strengths or poll.outdated
        else None,
        "preference_agreement": agreement_table(
            votes.agreements(strengths, results) if strengths else (),
            name="preference-agreement",
            caption="How far metrics rank the generators as people do",
        ),
        "settings": settings_table(folder, who.contestants, experiment["seeds"]),
        "agreement": agreement_table(agreement(results)),
        "rollout": rollout_table(results, who.contestants, who.framing),
        "reconstruction": reconstruction_table(results),
        "alarms": alarms.table,
        "compositional": main_table(results, who.contestants, who.framing, COMPOSITIONAL)
        if results.pick("oracle_success", protocol=COMPOSITIONAL)
        else None,
        "equal": equal_table(results, who.contestants, _equal(experiment)),
    }
    for name in EQUAL_PRICES:
        pairs = pair_table(results, name)
        further[pairs.name] = pairs if pairs.lines else None
    return {
        "main": main_table(results, who.contestants, who.framing),
        "pairs": pair_table(results),
        "price": cost_table(results, who.everybody, who.contestants),
        "oracle": own_error_table(oracle["own_error"] if oracle else {}),
    } | {name: table for name, table in further.items() if table is not None}


def _equal(experiment: Mapping[str, Any]) -> dict[str, str]:
    """What was equal in which question, in words."""
    budget = Budget(**experiment["budget"])
    return {
        TEST: f"Equal budget: {budget} each",
        EQUAL_FLOPS: f"Equal training FLOPs: {amount(experiment.get('equal_flops') or 0)} asked",
        EQUAL_PARAMETERS: "Equal parameters: "
        f"{amount(experiment.get('equal_parameters') or 0)} asked, trained for {budget}",
    }


def _seeds(planned: Sequence[int], results: Results) -> str:
    """The seeds that were trained, and how many of those that were planned are not."""
    done = sorted(
        {row.seed for row in results.rows if row.seed is not None and row.value is not None}
    )
    absent = len(set(planned) - set(done))
    words = ", ".join(map(str, done)) or "none yet"
    return f"{words} ({absent} more not finished)" if absent else words


def _command(experiment: Mapping[str, Any], order: Sequence[str]) -> str:
    """The command line that asks the same, where the experiment's file is as it was."""
    budget = str(Budget(**experiment["budget"]))
    words = ["vidgen", "compare", experiment["name"], "--budget", budget]
    words += ["--seeds", *map(str, experiment["seeds"]), "--generators", *order]
    return shlex.join(words)


def _devices(results: Results) -> list[str]:
    """What computed; with what for, where training and sampling were not on the same."""
    trained, timed = list(results.devices), list(results.sampled_on)
    if not trained or not timed or trained == timed:
        return trained or timed
    return [f"trained on {', '.join(trained)}", f"sampled on {', '.join(timed)}"]


def _loads(
    folder: ComparisonFolder, names: Sequence[str], seeds: Sequence[int]
) -> list[tuple[str, str]]:
    """(run and phase, the machine's load at its start and end), where the system told."""
    found = []
    for name in names:
        for seed in seeds:
            run = folder.run(name, seed)
            if not run.cost.exists():
                continue
            for phase, cost in Cost.read(str(run.path)).phases.items():
                if cost.load_average:
                    load = " to ".join(f"{value:g}" for value in cost.load_average)
                    found.append((f"{name}, seed {seed}, {phase}", load))
    return found
