import dataclasses
import json
import pathlib
import re

import pytest

from vidgen.comparison.folder import ComparisonFolder, FolderError, read_json, write_json
from vidgen.comparison.limits import seeds_of, untrusted
from vidgen.comparison.pairs import Pair, pairs_of
from vidgen.comparison.results import Results, collect, read
from vidgen.comparison.rows import Row, summarise
from vidgen.comparison.trust import trust_of
from vidgen.comparison.verdict import verdict
from vidgen.comparison.wording import interval, number, seconds
from vidgen.evaluation import METRICS


def row(value, *, who="gan", seed=0, metric="oracle_success", prompts="text", **rest):
    spread = {"low": value - 0.1, "high": value + 0.1} if value is not None else {}
    given = {"kind": "generator", "n": 8, "note": "Wilson"} | spread | rest
    return Row(generator=who, seed=seed, metric=metric, prompts=prompts, value=value, **given)


def results(*rows):
    """What `collect` makes of rows, everybody a contestant."""
    summary = tuple(summarise(rows))
    names = [r.generator for r in summary if r.kind == "generator"]
    return Results(
        rows=tuple(rows),
        summary=summary,
        pairs=pairs_of(rows, list(dict.fromkeys(names))),
        trust=trust_of(summary),
    )


def seeds_about(means, *, seeds=5, spread=0.02, **rest):
    """Rows of several families, each seed a step from the next."""
    return [
        row(mean + spread * (seed - (seeds - 1) / 2), who=who, seed=seed, **rest)
        for who, mean in means.items()
        for seed in range(seeds)
    ]


def test_one_seed_keeps_its_interval_and_says_so():
    (found,) = summarise([row(0.5)])
    assert (found.low, found.high, found.note) == (0.4, 0.6, "one seed: Wilson")
    assert found.seed is None


def test_several_seeds_get_the_t_interval_of_their_means():
    (found,) = summarise([row(v, seed=i) for i, v in enumerate((0.4, 0.5, 0.6))])
    assert found.value == pytest.approx(0.5)
    # t(0.975, 2) * 0.1 / sqrt(3)
    assert found.high - found.value == pytest.approx(4.30265 * 0.1 / 3**0.5, rel=1e-4)
    assert (found.n, found.note) == (3, "t over 3 seeds")


@pytest.mark.parametrize("metric", METRICS)
def test_shares_are_cut_at_their_ends_and_others_are_not(metric):
    (found,) = summarise([row(0.1, seed=0, metric=metric), row(0.9, seed=1, metric=metric)])
    is_share = re.match("share of|as oracle_success", METRICS[metric].definition) is not None
    assert ((found.low, found.high) == (0.0, 1.0)) == is_share


def test_seeds_that_agree_do_not_claim_a_width_of_nothing():
    (found,) = summarise([row(0.5, seed=0), row(0.5, seed=1)])
    assert found.high - found.low == pytest.approx(0.2)
    assert "no spread" in found.note


def test_a_missing_seed_is_counted_in_the_note():
    missing = row(None, seed=1, note="the job failed: no memory")
    (found,) = summarise([row(0.5), missing])
    assert found.value == 0.5
    assert "1 of 2 seeds have no value (the job failed: no memory)" in found.note


def test_collecting_reads_every_run_prices_and_failures(make_comparison, tmp_path):
    folder = make_comparison(tmp_path, seeds=(0, 1), curve=(0.5,))
    (folder.run("gan", 1).path / "scores.json").unlink()
    write_json(folder.run("gan", 1).path / "failure.json", {"error": "OutOfMemory"})
    found = collect(folder)
    assert found.who("generator") == ["gan", "autoregressive", "diffusion", "copy-first-frame"]
    assert found.who("anchor") == ["held-out-real", "shuffled-captions"]
    assert "the job failed: OutOfMemory" in found.one("gan", "oracle_success", prompts="text").note
    assert found.one("diffusion", "training_flops").value == 200 * 10**9
    assert found.one("diffusion", "training_seconds", share=0.5).value == 50.0
    assert found.one("autoregressive", "trained_parameters").value == 2_000_000
    assert found == collect(folder)


def test_a_clear_leader_is_named_on_both_kinds_of_prompts():
    rows = [
        row(value, who=who, prompts=prompts)
        for who, value in {"gan": 0.2, "diffusion": 0.8}.items()
        for prompts in ("text", "text+image")
    ]
    words = verdict(results(*rows))
    assert words.headline == (
        "Diffusion is ahead of all others, with and without a first frame; "
        "a description of one seed, not a test."
    )
    assert any("all intervals are apart" in finding for finding in words.findings)


def test_overlapping_intervals_make_no_leader():
    words = verdict(results(row(0.5, who="gan"), row(0.55, who="diffusion")))
    assert words.headline.startswith("No family is ahead")
    assert any("diffusion and gan overlap" in finding for finding in words.findings)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((0.5, 0.52, 0.48), "; all intervals overlap."),
        ((0.9, 0.5, 0.1), "; all intervals are apart."),
        ((0.9, 0.88, 0.1), "; the intervals of gan and diffusion overlap."),
        ((0.6, 0.5, 0.38), "; only the intervals of gan and masked are apart."),
    ],
)
def test_a_ranking_names_the_fewer_pairs(values, said):
    names = ("gan", "diffusion", "masked")
    rows = [row(value, who=who) for value, who in zip(values, names, strict=True)]
    (finding,) = [f for f in verdict(results(*rows)).findings if f.startswith("Asked")][:1]
    assert finding.endswith(said)


def test_a_lead_on_one_kind_of_prompts_is_not_sold_as_both():
    rows = [
        row(0.2, who="gan"),
        row(0.8, who="diffusion"),
        row(0.5, who="gan", prompts="text+image"),
        row(0.5, who="diffusion", prompts="text+image"),
    ]
    headline = verdict(results(*rows)).headline
    assert "diffusion from a sentence alone" in headline
    assert "nobody is clearly ahead" in headline


def test_chance_is_the_best_of_the_anchors_that_ignore_the_prompt():
    chance = {"kind": "anchor", "seed": None}
    rows = [
        row(0.9, who="diffusion"),
        row(0.15, who="gan"),
        row(0.0, who="copy-first-frame", **chance),
        row(0.1, who="shuffled-captions", **chance),
        row(1.0, who="held-out-real", **chance),
    ]
    findings = " ".join(verdict(results(*rows)).findings)
    assert "Not clearly above chance from a sentence alone (shuffled-captions" in findings
    assert findings.split("Not clearly above chance", 1)[1].split(": ", 1)[1].startswith("gan.")


@pytest.mark.parametrize(("count", "words"), [(1, "one training seed"), (3, "3 training seeds")])
def test_few_seeds_are_descriptive_only(count, words):
    limits = verdict(results(*[row(0.5, seed=i) for i in range(count)])).limits
    assert limits[0].startswith(f"Descriptive only: {words}")
    assert "no p-value" in limits[0]


def test_five_seeds_are_judged_by_tests_and_say_what_they_cannot_show():
    means = {"gan": 0.2, "autoregressive": 0.5, "diffusion": 0.8}
    rows = seeds_about(means, prompts="all")
    rows += seeds_about(dict.fromkeys(means, 0.0), metric="drift_identity", prompts="all")
    words = verdict(results(*rows))
    assert words.headline == (
        "Diffusion is ahead of all others in oracle success (p = 0.0238 at most, after Holm over "
        "the 3 pairs of oracle_success)."
    )
    assert words.findings[0].startswith("Oracle success, tested over seeds (Holm over the 3 pairs")
    assert "diffusion is better than gan (0.60 [0." in words.findings[0]
    assert "not told apart: gan and autoregressive (0.00" in words.findings[1]
    assert ", gan and diffusion (0.00" in words.findings[1]
    assert "5 training seeds a generator reach p = 0.0079 at best" in words.limits[0]
    assert "over 2 metrics as well it would ask for 0.0083, within reach too" in words.limits[0]
    assert words.limits[1].startswith("Seeds spread by 0.03")


def test_what_the_interval_shows_and_the_test_cannot_is_told_as_that():
    means = {"gan": 0.2, "autoregressive": 0.21, "diffusion": 0.6, "masked": 0.8, "meanflow": 0.9}
    words = verdict(results(*seeds_about(means, prompts="all")))
    assert "the tests do not tell every pair apart" in words.headline
    ahead, alike = words.findings[0].split("; not told apart: ")
    assert ": ahead by the interval and not by the test: diffusion of gan (0.40 [0." in ahead
    assert ", meanflow of gan (0.70 [0." in ahead
    assert alike.startswith("gan and autoregressive (0.01 [-0.")
    assert "diffusion" not in alike
    assert "Holm over 10 pairs asks for 0.0050, for which 6 are needed" in words.limits[0]


def test_seeds_that_overlap_make_no_leader_however_the_means_lie():
    rows = seeds_about({"gan": 0.5, "diffusion": 0.55}, prompts="all", spread=0.1)
    found = results(*rows)
    assert verdict(found).headline.startswith("No family is ahead of all others in oracle success")
    assert found.best("oracle_success") is None
    apart = results(*seeds_about({"gan": 0.1, "diffusion": 0.9}, prompts="all"))
    assert apart.best("oracle_success") == "diffusion"
    assert apart.best("oracle_success", prompts="text") is None


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_no_p_value_is_printed_below_five_seeds(seeds):
    rows = seeds_about({"gan": 0.1, "diffusion": 0.9}, prompts="all", seeds=seeds)
    rows += seeds_about({"gan": 0.1, "diffusion": 0.9}, seeds=seeds)
    words = verdict(results(*rows))
    text = " ".join((words.headline, *words.findings, *words.limits))
    assert "p =" not in text
    assert "not a test" in words.headline


def test_one_seed_tells_no_pair_apart_whose_interval_holds_zero():
    rows = [row(0.5, who=who, prompts="all") for who in ("gan", "diffusion", "masked")]
    kinds = {"metric": "oracle_success", "n": 8, "paired": True, "family": "descriptive only"}
    ahead = Pair(a="diffusion", b="gan", difference=-0.04, low=-0.06, high=-0.02, **kinds)
    close = Pair(a="gan", b="masked", difference=0.002, low=-0.02, high=0.03, **kinds)
    same = Pair(a="masked", b="diffusion", difference=0.0, **kinds)
    found = dataclasses.replace(results(*rows), pairs=(ahead, close, same))
    (told,) = [line for line in verdict(found).findings if line.startswith("On the same 8")]
    assert "gan succeeds more often than diffusion by 0.04 [0.02, 0.06]" in told
    assert "gan and masked are not told apart (0.00 [-0.02, 0.03])" in told
    assert "masked and diffusion are equal" in told


def test_a_seed_that_failed_is_no_seed():
    failed = row(None, seed=4, who="gan", prompts="all", note="the job failed: no memory")
    rows = seeds_about({"gan": 0.2, "diffusion": 0.8}, prompts="all", seeds=4)
    rows.append(row(0.8, seed=4, who="diffusion", prompts="all"))
    limits = verdict(results(*rows, failed)).limits
    assert limits[0].startswith("Descriptive only: 4 training seeds")
    assert limits[1] == "Jobs failed and are absent from the numbers: gan."
    gone = [r for r in rows if r.generator != "gan"]
    assert seeds_of(results(*gone, failed), ["gan", "diffusion"]) == 5


def test_one_family_that_lacks_seeds_takes_no_test_from_the_others():
    rows = seeds_about({"autoregressive": 0.3, "diffusion": 0.8}, prompts="all")
    rows += seeds_about({"gan": 0.2}, prompts="all", seeds=4)
    words = verdict(results(*rows))
    assert words.limits[0].startswith("5 training seeds a generator reach p = 0.0079 at best")
    assert "Holm over 3 pairs" in words.limits[0]
    assert "descriptive only: 4 seeds" in words.findings[0]


def test_new_combinations_are_told_by_kind_of_prompt_beside_the_usual_ones():
    rows = [row(0.9, prompts="text"), row(0.3, prompts="text", protocol="compositional")]
    rows += [row(0.7, prompts="text+image", protocol="compositional")]
    alone, framed = (f for f in verdict(results(*rows)).findings if "training left out" in f)
    assert alone.startswith("Asked from a sentence alone for combinations")
    assert "their training left out, oracle success is gan 0.30 [0.20, 0.40] (else 0.90" in alone
    assert framed.startswith("Asked from a sentence and a first frame for combinations")
    assert "gan 0.70 [0.60, 0.80]; in brackets" in framed


def test_exploratory_metrics_without_trust_are_named_in_one_sentence():
    rows = [row(0.9, prompts="all", metric="motion")]
    anchor = {"kind": "anchor", "seed": None, "metric": "motion", "prompts": "all"}
    rows += [row(0.5, who="held-out-real", **anchor), row(0.6, who="frozen-real", **anchor)]
    assert verdict(results(*rows)).limits[-1].endswith("not to be trusted here: motion.")


def test_a_metric_that_does_not_order_its_anchors_is_not_trusted():
    good = row(0.9, who="held-out-real", kind="anchor", seed=None)
    bad = row(0.95, who="shuffled-captions", kind="anchor", seed=None)
    assert untrusted(results(good, bad), "oracle_success", "text")
    lower = dataclasses.replace(bad, value=0.0)
    assert not untrusted(results(good, lower), "oracle_success", "text")


def test_numbers_read_as_people_write_them():
    assert number(None) == "-"
    assert number(-0.0004, "drift_psnr") == "0.000"
    assert interval(row(0.5)) == "0.50 [0.40, 0.60]"
    assert (seconds(0.0123), seconds(3.0), seconds(1200.0)) == ("12.3 ms", "3 s", "20 min")


def test_the_results_file_holds_rows_and_verdict(comparison):
    from vidgen.comparison import report

    report(comparison.path)
    data = read_json(comparison.results)
    found = collect(comparison)
    assert read(comparison) == found
    assert len(found.pairs_on("oracle_success")) == 3  # the baseline is nobody's rival
    assert {t.metric for t in found.trust} >= {"oracle_success", "drift_identity"}
    assert {"rows", "summary", "verdict", "experiment", "hash"} <= set(data)
    assert data["rows"][0].keys() == {field.name for field in dataclasses.fields(Row)}


def test_results_of_schema_1_are_read_without_what_they_did_not_have(make_comparison, tmp_path):
    from vidgen.comparison import report

    folder = make_comparison(tmp_path)
    report(folder.path)
    data = read_json(folder.results)
    for name in ("pairs", "trust", "primary_metrics"):
        del data[name]
    for line in data["rows"] + data["summary"]:
        del line["protocol"]
    folder.results.write_text(json.dumps({**data, "schema_version": 1}))
    old = read(folder)
    assert (old.rows, old.summary) == (collect(folder).rows, collect(folder).summary)
    assert (old.pairs, old.trust) == ((), ())
    folder.results.write_text(json.dumps({**data, "rows": [{"value": "much"}]}))
    with pytest.raises(FolderError, match="does not hold results"):
        read(folder)


def test_trainings_on_different_devices_are_told_apart(make_comparison, tmp_path):
    folder = make_comparison(tmp_path / "run")
    assert not collect(folder).devices  # older folders do not say
    for name, device in {"gan": "1 x cpu", "diffusion": "1 x NVIDIA H200"}.items():
        price = folder.run(name, 0).price
        write_json(price, {**read_json(price), "device": device})
    found = collect(folder)
    assert found.sampled_on == {"1 x NVIDIA H200": ("diffusion",), "1 x cpu": ("gan",)}
    assert not found.devices
    assert any("1 x NVIDIA H200: diffusion; 1 x cpu: gan" in s for s in verdict(found).limits)


KEPT = pathlib.Path(__file__).parents[2] / "experiments" / "results"


@pytest.mark.parametrize(
    "path", [p for p in sorted(KEPT.iterdir()) if p.is_dir()], ids=lambda path: path.name
)
def test_results_that_are_kept_can_be_read(path):
    folder = ComparisonFolder.at(path)
    found = collect(folder)
    asked = read_json(folder.experiment)["experiment"]
    scored = {(r.generator, r.seed) for r in found.rows if r.metric == "oracle_success"}
    missing = {(name, seed) for name in asked["generators"] for seed in asked["seeds"]} - scored
    assert not missing
    assert not list(path.rglob("*.npz"))
