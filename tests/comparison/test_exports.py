import csv
import dataclasses
import io

import pytest

from vidgen.comparison.choices import agreement_table, settings_table
from vidgen.comparison.exports import rows_to_csv, to_csv, to_latex
from vidgen.comparison.headings import MAIN, grouped, prose, title
from vidgen.comparison.results import collect
from vidgen.comparison.rows import COMPOSITIONAL, Row
from vidgen.comparison.tables import cost_table, main_table, metric_tables, pair_table
from vidgen.evaluation import METRICS
from vidgen.evaluation.agreement import Agreement

FAMILIES = ("gan", "autoregressive", "diffusion")
FRAMING = ("copy-first-frame", "held-out-real", "shuffled-captions")


@pytest.fixture(scope="module")
def results(comparison):
    return collect(comparison)


def test_the_main_table_has_everybody_and_whether_each_metric_orders_its_anchors(results):
    table = main_table(results, FAMILIES, FRAMING)
    assert [head.key for head, _ in table.lines] == [*FAMILIES, *FRAMING, "trust"]
    measured = [f"{m}:{p}" for m, p in MAIN if results.pick(m, prompts=p)]
    assert [head.key for head in table.columns] == measured
    cells = {head.key: line for head, line in table.lines}
    assert cells["diffusion"][0].text == "0.90"
    assert cells["diffusion"][0].below == "0.85 to 0.95"
    assert "n = 8; one seed: Wilson" in cells["diffusion"][0].note
    assert cells["trust"][0].text == "yes"
    assert "held-out-real 0.99 > shuffled-captions 0.01" in cells["trust"][0].note
    assert not any(cell.best for line in cells.values() for cell in line)


def test_a_metric_that_was_not_computed_says_why_in_its_line(results):
    why = "install vidgen[metrics]"
    missing = Row(
        generator="gan",
        kind="generator",
        seed=0,
        metric="ssim",
        prompts="text+image",
        value=None,
        note=why,
    )
    more = dataclasses.replace(results, summary=(*results.summary, missing))
    lines = [line for _, t in metric_tables(more, FAMILIES, FRAMING) for line in t.lines]
    (head,) = [head for head, _ in lines if head.metric == "ssim"]
    assert head.under == f"not computed: {why}"


def test_no_metric_is_lost_among_the_headings():
    many = [*METRICS, "a_metric_of_tomorrow"]
    found = [name for names in grouped(many).values() for name in names]
    assert sorted(found) == sorted(many)
    assert (title("kvd_in_domain"), title("drift_psnr")) == ("KVD in domain", "Drift of PSNR")
    assert title("oracle_success_majority") == "Oracle success, by majority"
    assert title("psnr_best_of_k") == "PSNR, best of K"
    assert prose("drift_kvd_in_domain") == "drift of KVD in domain"
    assert (prose("oracle_success"), prose("kvd_i3d")) == ("oracle success", "KVD I3D")


def test_csv_holds_the_numbers_themselves(results):
    table = main_table(results, FAMILIES, FRAMING)
    lines = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert len(lines) == len(table.lines) * len(table.columns)
    found = next(line for line in lines if line["line"] == "diffusion")
    row = results.one("diffusion", "oracle_success")
    assert (float(found["value"]), float(found["low"])) == (row.value, row.low)
    tidy = list(csv.DictReader(io.StringIO(rows_to_csv(results.rows))))
    assert len(tidy) == len(results.rows)
    assert [line["generator"] for line in tidy] == [row.generator for row in results.rows]


def test_latex_is_a_whole_table_with_everything_escaped(results):
    tables = [main_table(results, FAMILIES, FRAMING), pair_table(results)]
    tables.append(cost_table(results, FAMILIES, FAMILIES))
    for table in tables:
        text = to_latex(table)
        body = text.split("\\toprule")[1].split("\\bottomrule")[0]
        assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1
        lines = [line for line in body.splitlines() if line.count(" & ")]
        assert len(lines) == len(table.lines) + 1
        assert {line.count(" & ") for line in lines} == {len(table.columns)}
        assert not any(sign in body for sign in ("_", "%", "#", "↑"))


def test_latex_is_bold_where_a_test_supports_it(results):
    table = main_table(results, FAMILIES, FRAMING)
    group, lines = table.groups[0]
    (head, cells), *rest = lines
    cells = (dataclasses.replace(cells[0], best=True), *cells[1:])
    marked = dataclasses.replace(table, groups=((group, ((head, cells), *rest)),))
    assert to_latex(marked).count("\\textbf{0.30}") == 1
    assert "\\textbf" not in to_latex(table)


def test_settings_that_were_tried_are_shown_with_the_one_that_was_chosen(
    make_comparison, write_selection, tmp_path
):
    folder = make_comparison(tmp_path)
    assert settings_table(folder, FAMILIES, (0,)) is None
    write_selection(folder.run("diffusion", 0), {5: 0.4, 20: 0.6}, chosen=1)
    table = settings_table(folder, FAMILIES, (0,))
    told = [(head.under, *(cell.text for cell in cells)) for head, cells in table.lines]
    assert told == [
        ("method euler, steps 5", "0.40", "50 ms", "100 ms", ""),
        ("method euler, steps 20", "0.60", "200 ms", "400 ms", "chosen"),
    ]


def test_tried_settings_have_the_digits_of_the_metric_that_chose(
    make_comparison, write_selection, tmp_path
):
    folder = make_comparison(tmp_path)
    run = folder.run("diffusion", 0)
    write_selection(run, {5: 0.0314, 20: 0.0049}, metric="kvd_in_domain", half=0.0021, chosen=1)
    (_, (first, *_)), _ = settings_table(folder, FAMILIES, (0,)).lines
    assert (first.text, first.below) == ("0.0314", "0.0293 to 0.0335")
    assert first.note.startswith("n = 8; ")


def test_agreement_names_both_networks():
    pair = Agreement(
        first="kvd_in_domain", second="kvd_in_domain_random", kendall=0.8, spearman=0.9, n=7
    )
    ((head, cells),) = agreement_table([pair]).lines
    assert head.text in head.under
    assert [cell.text for cell in cells] == ["0.80", "0.90", "7"]
    assert agreement_table([]) is None


def test_new_combinations_have_a_table_of_their_own(results):
    held = [
        dataclasses.replace(row, protocol=COMPOSITIONAL, value=0.5)
        for row in results.summary
        if row.metric == "oracle_success"
    ]
    more = dataclasses.replace(results, summary=(*results.summary, *held))
    table = main_table(more, FAMILIES, FRAMING, COMPOSITIONAL)
    assert (table.name, len(table.columns)) == ("compositional", 3)
    assert {cells[0].text for head, cells in table.lines if head.key in FAMILIES} == {"0.50"}
    usual = main_table(more, FAMILIES, FRAMING)
    assert usual == main_table(results, FAMILIES, FRAMING)
