"""The toy's training on several devices: what a test runs in a process that has four fake ones."""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import toy

from vidgen.training import FingerprintError, Interrupted, PlacementError, train
from vidgen.training.checkpoint import Checkpoints
from vidgen.training.placement import Placement
from vidgen.training.step import blueprint

Sayings = dict[str, Any]


def setting(folder: Path, devices: int, sharding: str = "replicated", **changes: Any) -> Sayings:
    config = dataclasses.replace(
        toy.setting()["config"],
        devices=devices,
        sharding=sharding,
        accept_changes=changes.pop("accept_changes", False),
    )
    return toy.setting(folder=folder, config=config, **changes)


def raised(error: type[BaseException], call: Callable[[], Any]) -> str:
    try:
        call()
    except error as found:
        return str(found)
    raise AssertionError("nothing was raised")


def bytes_held(folder: Path, place: Placement) -> int:
    """On the first device, of the second phase's state as its last checkpoint restores it."""
    first, second = toy.Toy().phases()
    batch = toy.validation(4)[0]
    earlier = {"first": blueprint(first, batch, {}, place).export}
    shapes = blueprint(second, batch, earlier, place).state
    checkpoints = Checkpoints(folder / "checkpoints" / "second", keep=2, say=print)
    state = checkpoints.load(12, state=shapes)["state"]
    checkpoints.close()
    return sum(leaf.addressable_shards[0].data.nbytes for leaf in jax.tree.leaves(state))


def main(folder: Path) -> None:
    """Leaves two runs and ``told.json`` in the folder."""
    assert len(jax.devices()) == 4
    told: Sayings = {}
    train(toy.Toy(), **setting(folder / "four", 4, "full"))
    moved = folder / "moved"
    told["struck"] = raised(
        Interrupted,
        lambda: train(toy.Toy(), **setting(moved, 2, data=toy.trip(6, signal.SIGTERM))),
    )
    told["refused"] = raised(
        FingerprintError, lambda: train(toy.Toy(), **setting(moved, 4, "full"))
    )
    train(toy.Toy(), **setting(moved, 4, "full", accept_changes=True))
    places = (Placement.of(1), Placement.of(2, "full"), Placement.of(4, "full"))
    told["bytes"] = [bytes_held(folder / "four", place) for place in places]
    shapes = ((31, 33), (1023,), (3, 7, 101), (64, 32), (3, 400, 16), (64, 64))
    told["split"] = [list(places[2].part(shape).spec) for shape in shapes]
    told["few"] = raised(PlacementError, lambda: train(toy.Toy(), **setting(folder / "no", 5)))
    odd = toy.Toy(toy.Linear(name="only", share=1.0, batch_size=6))
    # Without data: it is refused before anything is asked for.
    told["odd"] = raised(PlacementError, lambda: train(odd, **setting(folder / "no", 4, data=None)))
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
