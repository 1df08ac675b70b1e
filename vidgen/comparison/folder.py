"""The run folder: where everything that a comparison leaves behind lies.

::

    runs/<experiment>/
      experiment.json                 resolved configuration, its hash, versions, device, revision
      prompts/<protocol>.npz          the real clips whose captions, first frames and keys are asked
      text/word2vec.npz               vectors of words, where they were learned from the captions
      judge/networks/<kind>.npz       in-domain networks, frozen before any generator is judged
      judge/features/<network>/       features of clips, by the content of their pixels
      anchors/<anchor>/               samples/<protocol>.npz  scores.json
      <generator>/seed-<n>/           metrics.jsonl  cost.json  checkpoints/
                                      samples/<protocol>.npz  price.json  scores.json
                                      candidates/<step>/  checkpoints to choose from, where asked
                                      selection.json  what was tried on validation prompts
                                      rollout.json  where longer clips were asked for
                                      answers.json  where several answers a prompt were
                                      profile/<phase>/  where --profile was given
                                      failure.json  why its job failed, where it did
                                      job.log  what it said, where it ran in a process of its own
      budget-<share>/<generator>/seed-<n>/     the same at a share of the budget, where asked for
      compositional/                  the same for trainings without the combinations asked for
      equal-flops/  equal-parameters/ experiment.json and runs at an equal price, where asked for;
                                      prompts, judge and anchors are those of the folder around it
      results.json                    tidy rows, pairs with their tests, trust in the metrics
      report.html                     one self-contained page
      figures/*.svg  tables/*.csv|.tex         its figures and tables as files
      oracle.json                     the oracle's own error

Addresses are `etils.epath`, so a folder may lie in a bucket (`vidgen.bucket`). Every file is
written whole or not at all, and every JSON file names its schema version: a reader takes its own
version and the older ones, and refuses newer ones by name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from etils import epath

from vidgen import bucket
from vidgen.atomic import replacing
from vidgen.comparison.rows import EQUAL_PRICES, FURTHER
from vidgen.training import devices_here
from vidgen.training.cost import processor

FOLDER_SCHEMA = 2
"""Version of the JSON files that are written here. What version 1 lacks is read as its default:
rows without a protocol are of the test list, scores without clips have no values of single clips,
and results without pairs and trust have none until `vidgen report` writes them anew."""

ANCHORS = "anchors"
PROMPTS = "prompts"


class FolderError(ValueError):
    """A run folder that is not what was expected; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """One generator's (or anchor's) run: the address of each of its files.

    Attributes:
        path: ``<comparison>/<generator>/seed-<n>`` or ``<comparison>/anchors/<anchor>``.
    """

    path: epath.Path

    @property
    def metrics(self) -> epath.Path:
        """What the training loop logged, a JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def cost(self) -> epath.Path:
        """Clocks, steps and FLOPs."""
        return self.path / "cost.json"

    @property
    def scores(self) -> epath.Path:
        """What the judge said. Its presence marks a finished job."""
        return self.path / "scores.json"

    @property
    def price(self) -> epath.Path:
        """Parameters and sampling speed, and what was asked when the answers were given."""
        return self.path / "price.json"

    @property
    def failure(self) -> epath.Path:
        """Why its job ended in an error, where it did."""
        return self.path / "failure.json"

    @property
    def log(self) -> epath.Path:
        """What its job said, attempt after attempt, where it ran in a process of its own."""
        return self.path / "job.log"

    @property
    def selection(self) -> epath.Path:
        """What was tried on validation prompts, checkpoints and sampler settings, and chosen."""
        return self.path / "selection.json"

    @property
    def rollout(self) -> epath.Path:
        """How clips longer than training's were made, and what the judge said of them."""
        return self.path / "rollout.json"

    @property
    def answers(self) -> epath.Path:
        """What the judge said of several answers to each prompt that gives first frames."""
        return self.path / "answers.json"

    def samples(self, protocol: str) -> epath.Path:
        """The answers to a protocol, a ClipSet."""
        return self.path / "samples" / f"{protocol}.npz"

    def attention(self, protocol: str) -> epath.Path:
        """What the first answers to a protocol looked at, see `looking`."""
        return self.path / "samples" / f"{protocol}-attention.npz"


@dataclasses.dataclass(frozen=True)
class ComparisonFolder:
    """A whole comparison: the address of each of its parts."""

    path: epath.Path

    @classmethod
    def at(cls, path: epath.PathLike) -> ComparisonFolder:
        """The folder at an address; local ones become absolute, as checkpoints need."""
        return cls(bucket.anywhere(bucket.address(path)))

    @property
    def experiment(self) -> epath.Path:
        """The resolved configuration."""
        return self.path / "experiment.json"

    @property
    def results(self) -> epath.Path:
        """Tidy rows."""
        return self.path / "results.json"

    @property
    def report(self) -> epath.Path:
        """The page."""
        return self.path / "report.html"

    @property
    def figures(self) -> epath.Path:
        """The page's figures as files."""
        return self.path / "figures"

    @property
    def tables(self) -> epath.Path:
        """The page's tables as files."""
        return self.path / "tables"

    @property
    def court_lock(self) -> epath.Path:
        """Held by the process that draws prompts, trains the judge and judges anchors."""
        return self.court.path / "court.lock"

    @property
    def oracle(self) -> epath.Path:
        """The oracle's own error."""
        return self.path / "oracle.json"

    def further(self, question: str) -> ComparisonFolder:
        """The comparison that answers a further question of this one, see `rows.FURTHER`."""
        return ComparisonFolder(self.path / question)

    @property
    def court(self) -> ComparisonFolder:
        """Where prompts, judge and anchors lie: at an equal price they are those of the comparison
        around this one, which asks the same.
        """
        around = ComparisonFolder(self.path.parent)
        shared = self.path.name in EQUAL_PRICES and around.experiment.exists()
        return around if shared else self

    @property
    def holds_court(self) -> bool:
        """Whether prompts, judge and anchors are its own."""
        return self.court == self

    @property
    def word_vectors(self) -> epath.Path:
        """What word2vec learned from the captions of training, where it is the text encoder."""
        return self.court.path / "text" / "word2vec.npz"

    @property
    def judge(self) -> epath.Path:
        """Networks and features that the judge keeps."""
        return self.court.path / "judge"

    def prompts(self, protocol: str) -> epath.Path:
        """The real clips that are asked for."""
        return self.court.path / PROMPTS / f"{protocol}.npz"

    def run(self, generator: str, seed: int, share: float = 1.0) -> RunFolder:
        """Where one generator lies, trained with a seed on a share of the budget."""
        root = self.path if share == 1.0 else self.path / f"budget-{share:g}"
        return RunFolder(root / generator / f"seed-{seed}")

    def anchor(self, name: str) -> RunFolder:
        """Where an anchor lies."""
        return RunFolder(self.path / ANCHORS / name)

    def runs(self, *, shares: bool = True) -> list[RunFolder]:
        """Every run that is there, finished or not, in a fixed order; anchors are none.

        Args:
            shares: whether those at a share of the budget are among them; they come last.
        """
        patterns = ("*/seed-*", "budget-*/*/seed-*") if shares else ("*/seed-*",)
        return self._found(*patterns)

    def every_run(self) -> list[RunFolder]:
        """`runs`, and those of the further questions."""
        return [*self.runs(), *(r for question in FURTHER for r in self.further(question).runs())]

    def anchors(self) -> list[RunFolder]:
        """Every anchor that is there, in a fixed order."""
        return self._found(f"{ANCHORS}/*")

    def _found(self, *patterns: str) -> list[RunFolder]:
        return [RunFolder(p) for pattern in patterns for p in sorted(self.path.glob(pattern))]


def of_run(run: epath.PathLike) -> tuple[ComparisonFolder, str, int, float]:
    """The comparison that a run belongs to: its folder, the generator, the seed, the share.

    Raises:
        FolderError: if the path is no run inside a comparison.
    """
    path = ComparisonFolder.at(run).path
    generator, seed = path.parent.name, path.name.removeprefix("seed-")
    root = path.parent.parent
    share = 1.0
    if root.name.startswith("budget-"):
        share, root = float(root.name.removeprefix("budget-")), root.parent
    folder = ComparisonFolder(root)
    if not path.name.startswith("seed-") or not seed.isdigit() or not folder.experiment.exists():
        raise FolderError(
            f"{path} is no run: expected runs/<experiment>/<generator>/seed-<n> below an "
            "experiment.json, as `vidgen compare` and `vidgen train` leave them"
        )
    return folder, generator, int(seed), share


def write_json(path: epath.Path, data: dict[str, Any]) -> None:
    """Write JSON with its schema version, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    version = {"schema_version": FOLDER_SCHEMA}
    # First, and over the version of a file that was read and is written anew.
    text = json.dumps(version | data | version, indent=1, allow_nan=False)
    write_text(path, text + "\n")


def write_text(path: epath.Path, text: str) -> None:
    """Write a text file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_text(text)


def read_json(path: epath.Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises:
        FolderError: if the file is absent, damaged or of a newer schema; the message names it.
    """
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise FolderError(f"{path} does not exist") from error
    except ValueError as error:
        raise FolderError(f"{path} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise FolderError(f"{path} holds no JSON object")
    if data.get("schema_version", FOLDER_SCHEMA) > FOLDER_SCHEMA:
        raise FolderError(
            f"{path} has schema {data['schema_version']}, newer than this vidgen reads "
            f"({FOLDER_SCHEMA}): update vidgen"
        )
    return data


def surroundings() -> dict[str, Any]:
    """Versions, device and revision that a result was made with."""
    versions = {"python": platform.python_version()}
    for package in (
        "vidgen",
        "jax",
        "jaxlib",
        "flax",
        "optax",
        "orbax-checkpoint",
        "grain",
        "numpy",
    ):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return {
        "versions": versions,
        "device": devices_here(),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "processor": processor(),
        "revision": revision(),
    }


def revision() -> str | None:
    """The git revision of a clone, marked where files were changed; None for an install."""
    clone = Path(__file__).parents[2]
    if not (clone / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(clone), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        changed = "+changes" if git("status", "--porcelain") else ""
        return git("rev-parse", "--short=12", "HEAD") + changed
    except (OSError, subprocess.SubprocessError):
        return None
