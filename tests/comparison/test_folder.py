import json

import pytest

from vidgen.comparison.folder import (
    FOLDER_SCHEMA,
    ComparisonFolder,
    FolderError,
    of_run,
    read_json,
    surroundings,
    write_json,
)


def test_the_layout_is_the_documented_one(tmp_path):
    folder = ComparisonFolder.at(tmp_path)
    relative = {
        str(path)[len(str(tmp_path)) + 1 :]
        for path in (
            folder.run("gan", 3).scores,
            folder.run("gan", 3, 0.25).cost,
            folder.run("gan", 3).samples("test-8"),
            folder.anchor("frozen-real").scores,
            folder.experiment,
        )
    }
    assert relative == {
        "gan/seed-3/scores.json",
        "budget-0.25/gan/seed-3/cost.json",
        "gan/seed-3/samples/test-8.npz",
        "anchors/frozen-real/scores.json",
        "experiment.json",
    }


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_a_run_knows_its_comparison(tmp_path, share):
    folder = ComparisonFolder.at(tmp_path)
    write_json(folder.experiment, {})
    found, generator, seed, of_budget = of_run(folder.run("gan", 3, share).path)
    assert (str(found.path), generator, seed, of_budget) == (str(tmp_path), "gan", 3, share)


def test_what_is_no_run_is_refused_with_what_a_run_looks_like(tmp_path):
    with pytest.raises(FolderError, match="is no run: expected"):
        of_run(tmp_path / "gan" / "seed-0")


def test_json_bears_its_schema_and_leaves_no_debris(tmp_path):
    path = ComparisonFolder.at(tmp_path).results
    write_json(path, {"a": 1})
    assert read_json(path) == {"schema_version": FOLDER_SCHEMA, "a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = ComparisonFolder.at(tmp_path).results
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert read_json(path)["a"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        (json.dumps({"schema_version": FOLDER_SCHEMA + 1}), "update vidgen"),
    ],
)
def test_damaged_and_newer_files_are_refused_by_name(tmp_path, content, message):
    path = ComparisonFolder.at(tmp_path).results
    path.write_text(content)
    with pytest.raises(FolderError, match=message) as error:
        read_json(path)
    assert "results.json" in str(error.value)


def test_surroundings_name_versions_and_device():
    found = surroundings()
    assert found["versions"]["jax"] != "absent"
    assert "cpu" in found["device"]


def test_what_is_written_anew_is_of_this_version(tmp_path):
    path = ComparisonFolder.at(tmp_path).experiment
    path.write_text(json.dumps({"schema_version": 1, "a": 1}))
    write_json(path, {**read_json(path), "b": 2})
    assert read_json(path) == {"schema_version": FOLDER_SCHEMA, "a": 1, "b": 2}
