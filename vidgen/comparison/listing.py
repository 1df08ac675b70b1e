"""Tables of what there is: generators with their cards, data, text encoders, metrics and more."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from vidgen import data, registry, text, zoo
from vidgen.comparison import catalogue, model_file
from vidgen.evaluation import METRICS

ABILITIES = ("text", "context", "layout", "rollout", "likelihood", "few_step")


def tables(what: str) -> Iterator[Table]:
    """The tables of one kind of thing, or of "all".

    Raises:
        vidgen.registry.UnknownNameError: for any other word.
    """
    made = {
        "generators": generators,
        "data": sources,
        "text": encoders,
        "metrics": metrics,
        "experiments": experiments,
        "zoo": models,
    }
    if what not in ("all", *made):
        raise registry.suggest(what, ["all", *made], "list")
    for name, make in made.items():
        if what == name or (what == "all" and (name != "zoo" or zoo.names())):
            yield make()


def generators() -> Table:
    """Every registered generator; one that cannot be loaded says why."""
    table = _table("Generators", "name", "family", "what it is", "can")
    for listed in registry.listing():
        if listed.card is None:
            table.add_row(listed.name, "[red]broken[/]", escape(listed.error), "")
            continue
        card = listed.card
        can = "\n".join(name.replace("_", "-") for name in ABILITIES if getattr(card, name))
        what = f"{escape(card.summary)}\n[dim]{escape(card.paper)}[/]"
        table.add_row(listed.name, card.family, what, can)
    return table


def sources() -> Table:
    """Every source of clips."""
    table = _table("Data", "name", "what it is")
    written = {name: name for name in data.sources()} | data.kinds()
    for name, how in sorted(written.items()):
        summary = (inspect.getdoc(data.builder(name)) or "").split("\n\n")[0]
        table.add_row(how, " ".join(summary.split()))
    return table


def encoders() -> Table:
    """Every text encoder."""
    table = _table("Text encoders", "name", "what it is")
    for how, summary in text.text_encoders().items():
        table.add_row(how, " ".join(summary.split()))
    return table


def metrics() -> Table:
    """Every metric of the judge."""
    table = _table("Metrics", "name", "better", "what it is", "prompts")
    for metric in METRICS.values():
        table.add_row(metric.name, metric.better, metric.definition, ", ".join(metric.strata))
    return table


def experiments() -> Table:
    """Every experiment that comes with vidgen."""
    table = _table("Experiments", "name", "question")
    for name in catalogue.names():
        table.add_row(name, catalogue.summary(name))
    return table


def models() -> Table:
    """Every model of the zoo, from its card."""
    table = _table("Zoo", "name", "what it is")
    for name in zoo.names():
        card = model_file.read_card(zoo.path(name))
        table.add_row(name, escape(model_file.described(card)))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "family"), overflow="fold")
    return table
