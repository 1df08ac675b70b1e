"""The command line's manners: help, typos, exit codes, and how little it imports."""

import json
import subprocess
import sys

import pytest

from vidgen.cli import COMMANDS, main
from vidgen.data import babyai_episode


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"Example: vidgen {command}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["comapre", "quick"], "did you mean 'compare'"),
        (["compare", "quik"], "did you mean 'quick'"),
        (["compare", "quick", "--generators", "gan", "difusion"], "did you mean 'diffusion'"),
        (["train", "quick", "gann"], "did you mean 'gan'"),
        (["compare", "quick", "--set", "gan.batchsize=3"], "did you mean 'batch_size'"),
        (["compare", "quick", "--budget", "soon"], "is no budget"),
        (["compare", "quick", "--smoke", "--equal-flops", "1e12"], "ask for them without it"),
        (["compare", "quick", "--smoke", "--set", "options.moton=mage"], "did you mean 'motion'"),
        (["compare", "quick", "--executor", "processes"], "such as 400steps"),
        (["compare", "quick", "--jobs-at-once", "2"], "belongs to --executor processes"),
        (["compare", "quick", "--executor", "processes", "--retries", "-1"], "at least 0, got -1"),
        (["compare", "quick", "--executor", "ray", "--job-gpus", "-1"], "at least 0, got"),
        (["job", "nowhere/gan/seed-0"], "is no run"),
        (["prepare", "nowhere"], "does not exist"),
        (["train", "quick", "gan", "--smoke", "--set", "source=digit"], "did you mean 'digits'"),
        (["compare", "quick", "--set", "gan.batch_size=many"], "cannot be read as int"),
        (["list", "generatrs"], "did you mean 'generators'"),
        (["data", "check", "digit"], "did you mean 'digits'"),
        (["data", "check", "folder"], "folder:PATH"),
        (["data", "check", "digits:5"], "'digits' takes nothing behind a colon"),
        (["data", "check", "shapes", "--set", "sizes=maybe"], "is true or false, got 'maybe'"),
        (["data", "preview", "digits", "--set", "speed=inf"], "is none or a finite number"),
        (["data", "preview", "digits", "--set", "split=test"], "chosen by --split"),
        (["compare", "quick", "--smoke", "--set", "options.split=test"], "set train_split"),
        (["data", "preview", "digits", "--out", "sheet.jpg"], "must be one of .png, .html"),
        (["report", "nowhere"], "does not exist"),
        (["sample", "nowhere/gan/seed-0"], "is no run"),
        (["evaluate", "nowhere"], "is no run"),
    ],
)
def test_mistakes_are_named_with_the_near_miss_and_no_traceback(
    arguments, hint, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert hint in said
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    from vidgen.comparison import listing

    def broken(what):
        raise AttributeError("ours")

    monkeypatch.setattr(listing, "tables", broken)
    with pytest.raises(AttributeError, match="ours"):
        main(["list"])


def test_list_shows_cards_and_why_a_plug_in_is_broken(capsys, monkeypatch):
    from vidgen import registry

    broken = registry.Listed("mine", None, "ImportError: pip install 'vidgen[video]'")
    listed = [*registry.listing(), broken]
    monkeypatch.setattr(registry, "listing", lambda: listed)
    assert main(["list"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for word in ("diffusion", "mine", "broken", "[video]", "digits", "oracle_success", "quick"):
        assert word in said


def test_data_check_proves_the_splits_disjoint(capsys):
    assert main(["data", "check", "digits"]) == 0
    out = capsys.readouterr().out
    assert "no object is in two parts" in out
    assert out.startswith("digits\n")


def test_data_check_of_all_goes_on_where_an_extra_is_missing(capsys, monkeypatch):
    babyai_episode.minigrid.cache_clear()  # another test may have imported it
    monkeypatch.setitem(sys.modules, "minigrid", None)
    monkeypatch.setattr("vidgen.data.sources", lambda: ["babyai", "shapes"])
    assert main(["data", "check", "--most", "2"]) == 0
    out = capsys.readouterr().out
    assert "babyai is left out" in out
    assert "vidgen[babyai]" in out
    assert "shapes: no object is in two parts" in out
    assert main(["data", "check", "babyai", "--most", "2"]) == 2


def test_data_check_fails_where_a_file_is_corrupt(capsys, tmp_path):
    (tmp_path / "torn.mp4").write_bytes(b"")
    assert main(["data", "check", f"folder:{tmp_path}", "--set", "size=16"]) == 1
    assert "torn.mp4 is empty" in capsys.readouterr().out


def test_what_the_system_refuses_is_said_without_a_traceback(capsys, monkeypatch):
    for error, said in (
        (PermissionError(13, "Permission denied", "clips"), "Permission denied: 'clips'"),
        (MemoryError("Unable to allocate 8.77 TiB"), "out of memory: Unable to allocate 8.77 TiB"),
    ):

        def refuse(*_, error=error, **__):
            raise error

        monkeypatch.setattr("vidgen.data.survey", refuse)
        assert main(["data", "check", "digits"]) == 1
        assert said in capsys.readouterr().err


def test_data_preview_writes_a_sheet(capsys, tmp_path):
    out = tmp_path / "sheet.png"
    assert main(["data", "preview", "shapes", "--count", "2", "--out", str(out)]) == 0
    assert out.stat().st_size > 1000
    assert "sheet.png" in capsys.readouterr().out
    assert main(["data", "preview", "--out", str(out)]) == 2
    assert "which source" in capsys.readouterr().err


def test_doctor_names_what_a_bug_report_needs(capsys, monkeypatch):
    from vidgen.comparison import doctor
    from vidgen.training import peak

    monkeypatch.setattr(peak, "matmul_peak", lambda: 4.2e11)
    monkeypatch.setattr(peak, "copy_bandwidth", lambda: 2.5e10)
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("jax", "device", "processor", "memory", "disk", "420 GFLOP/s", "matplotlib"):
        assert word in said
    assert "25.0 GB/s" in said
    assert "-> not computed: content-debiased FVD needs VideoMAE v2" in said
    assert said.endswith("Nothing needed is missing.\n")

    monkeypatch.setattr(doctor, "_LEAST_DISK", 2**70)
    assert main(["doctor", "--json"]) == 1
    found = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["copy bandwidth"]["value"] == 2.5e10
    assert [what for what, finding in found.items() if finding["missing"]] == ["disk here"]
    assert "--out" in found["disk here"]["advice"]


def test_help_and_import_do_not_load_the_heavy_libraries():
    code = (
        "import sys, vidgen, vidgen.cli\n"
        "heavy = {'jax', 'flax', 'matplotlib', 'sklearn', 'grain', 'orbax'} & set(sys.modules)\n"
        "print(*sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
