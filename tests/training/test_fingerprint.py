"""Which of vidgen's sources a run that goes on holds against those it was begun with."""

from __future__ import annotations

from vidgen.training.fingerprint import decisive


def test_every_floor_that_training_stands_on_is_looked_at():
    paths = decisive()
    assert all(path.exists() for path in paths)
    names = {path.name for path in paths}
    floors = {"nn", "optim", "text", "tokenizers", "motion", "priors", "denoising", "data"}
    assert floors | {"types.py", "contract.py", "loop.py", "step.py"} <= names
    # Neither the court nor other generators: what is judged anew need not be trained anew.
    assert not names & {"evaluation", "comparison", "generators", "training", "cli.py"}
