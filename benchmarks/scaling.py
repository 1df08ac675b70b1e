"""What several devices and processes cost and save in training, and what saving and logging cost.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --generator gan --steps 200

The first phase of a generator at its own size takes steps on 1, 2 and 4 devices of one process, and
on as many processes of one device each, replicated and fully sharded. The devices are fake ones of
the CPU, which share its cores: what is to be seen is what the exchange costs, and what each device
holds; never a speed-up, for which there must be real ones. Columns:

    step        median, milliseconds
    arguments   bytes that a step is given on each device: state and rows of the batch
    working     bytes that it needs besides, by the compiler's own account
    optimizer   bytes of the optimiser's memory on the first device, over those where it is whole

Then a run of `vidgen.training.train` on one device, with checkpoints and logs as by default: from
the clocks of its ``cost.json``, seconds of saving and of logging over those of training. The goals
are 2% and 1%; a longer run saves as often, so that its share is less.

`--steps 10` printed, of motion compensation in `diffusion`, on two cores that much other work
shared (the times say nothing for that, memory is exact):

    processes devices sharding       step arguments  working optimizer
            1       1 replicated    145.1     5.65M    6.80M     1.000
            1       2 replicated    104.9     5.64M    6.59M     1.000
            1       2 full          297.5     2.85M    3.05M     0.505
            1       4 replicated    114.7     5.64M    6.59M     1.000
            1       4 full           75.3     1.44M    2.45M     0.257
            2       1 replicated    165.2     5.64M    6.59M     1.000
            2       1 full          533.7     2.85M    3.05M     0.505
            4       1 replicated    466.0     5.64M    6.59M     1.000
            4       1 full          744.8     1.44M    2.45M     0.257

The optimiser's memory falls as 1/n, but for biases and counters, which stay whole. On quieter cores
a step took 108 ms on one device, 202 and 198 on two, and 235 and 686 in two processes.

And `--counts --budget 1600`: in 129.5 s of training, 0.41% on top for saving and 0.90% for logging,
on two cores that a dozen other processes shared. Of the code before saves began in the background,
at the same time, it printed 1.88% and 1.25% in 116.2 s; of 400 steps (31.0 s and 28.4 s), 2.70% now
and 6.97% then. There are four saves however long a phase is: three stop training while the state is
copied to the host, and the last is waited for, which is most of it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, ClassVar

import tyro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to measure.

    Attributes:
        generator: whose first phase takes the steps.
        tiny: measure the tests' preset; for trying this script out.
        counts: of devices, and of processes.
        steps: timed, after two that are not.
        budget: of the run whose clocks are read, in steps; 0 for no such run.
    """

    generator: str = "diffusion"
    tiny: bool = False
    counts: tuple[int, ...] = (1, 2, 4)
    steps: int = 20
    budget: int = 400


def main(settings: Settings) -> None:
    """Measure, each way in processes of its own, and print."""
    print(
        f"{'processes':>9} {'devices':>7} {'sharding':11}{'step':>8} arguments  working optimizer"
    )
    for processes, devices in [
        *((1, count) for count in settings.counts),
        *((count, 1) for count in settings.counts if count > 1),
    ]:
        for sharding in ("replicated", "full") if processes * devices > 1 else ("replicated",):
            told = together(settings, processes, devices, sharding)
            print(
                f"{processes:9} {devices:7} {sharding:11}{told['step'] * 1e3:8.1f} "
                f"{told['arguments'] / 2**20:8.2f}M {told['working'] / 2**20:7.2f}M "
                f"{told['optimizer']:9.3f}",
                flush=True,
            )
    if settings.budget:
        print(overhead(settings))


def together(settings: Settings, processes: int, devices: int, sharding: str) -> dict[str, Any]:
    """What the first of some processes tells, each with so many devices."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flag = f"--xla_force_host_platform_device_count={devices}"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    environment = {"JAX_PLATFORMS": "cpu", **os.environ, "XLA_FLAGS": flags}
    asked = json.dumps(dataclasses.asdict(settings) | {"sharding": sharding})
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--one", asked, address, str(processes), str(index)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for index in range(processes)
    ]
    said = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise RuntimeError(f"{processes} processes of {devices} devices: one failed")
    return json.loads(said[0].splitlines()[-1])


def one(asked: dict[str, Any], address: str, count: int, index: int) -> None:
    """Take steps as one of some processes, and print what they cost."""
    sharding = asked.pop("sharding")
    settings = Settings(**asked)
    from vidgen.training import processes

    if count > 1:
        processes.join(address, count, index)
    import jax
    import numpy as np
    from devices import batch

    from vidgen.contract import stream
    from vidgen.training.placement import Placement
    from vidgen.training.step import blueprint, guarded_step, initialise

    place = Placement.of(None, sharding)
    phase = only(settings).phases()[0]
    host = batch(phase.batch_size, 0)
    plan = blueprint(phase, host, {}, place)
    key = stream(0, phase.name, "init")
    begun = jax.device_get(initialise(phase, key, {}))
    places = jax.tree.map(lambda x: x.sharding, plan.state)
    guarded = jax.tree.map(
        lambda x, where: jax.make_array_from_callback(x.shape, where, lambda at: x[at]),
        begun,
        places,
    )
    moments = jax.tree.leaves(guarded.state.opt_state)
    held = sum(leaf.addressable_shards[0].data.nbytes for leaf in moments)
    rest = (place.everywhere(lambda: key), np.int32(0), np.float32(0.5))
    step = jax.jit(guarded_step(phase), donate_argnums=0, out_shardings=(places, place.whole()))
    rows = place.own_rows(host)
    run = step.lower(guarded, place.feed(rows), *rest).compile()
    memory: Any = run.memory_analysis()
    seconds = []
    for _ in range(2 + settings.steps):
        begin = time.perf_counter()
        guarded, metrics = run(guarded, place.feed(rows), *rest)
        jax.block_until_ready(metrics)
        seconds.append(time.perf_counter() - begin)
    told = {
        "step": statistics.median(seconds[2:]),
        "arguments": memory.argument_size_in_bytes,
        "working": memory.temp_size_in_bytes,
        "optimizer": held / sum(leaf.nbytes for leaf in moments),
    }
    print(json.dumps(told))


class Only:
    """A generator of one phase, another one's first."""

    card: ClassVar[Any] = None

    def __init__(self, config: Any, task: Any) -> None:
        """`config` is the phase itself."""
        self._phase = config

    def phases(self) -> list[Any]:
        """The one."""
        return [self._phase]

    def sample(self, params: Any, condition: Any, keys: Any, sampler: Any = None) -> Any:
        """Nothing is sampled here."""
        raise TypeError("a first phase alone draws no clips")


def only(settings: Settings) -> Only:
    """The generator whose one phase is measured, for clips as in benchmarks/devices.py."""
    from devices import TASK

    from vidgen import registry

    entry = registry.entry(settings.generator)
    phase = entry.build(TASK, entry.config.tiny() if settings.tiny else entry.config()).phases()[0]
    phase.share = 1.0
    return Only(phase, TASK)


def overhead(settings: Settings) -> str:
    """What saving and logging took of a run, in a sentence."""
    import grain
    from devices import batch

    from vidgen.training import Budget, TrainingConfig, train

    def data(batch_size: int, seed: int) -> Any:
        clips = [batch(batch_size, n) for n in range(8)]
        return iter(grain.MapDataset.source(clips).seed(seed).shuffle().repeat().to_iter_dataset())

    with tempfile.TemporaryDirectory() as folder:
        trained = train(
            only(settings),
            name=settings.generator,
            seed=0,
            budget=Budget(settings.budget, "steps"),
            data=data,
            validation=lambda size: [],
            folder=folder,
            fingerprint={},
            config=TrainingConfig(),
        )
    seconds = {clock: trained.cost.seconds(clock) for clock in ("train", "checkpoint", "log")}
    saving, logging = (seconds[clock] / seconds["train"] for clock in ("checkpoint", "log"))
    return (
        f"{settings.budget} steps in {seconds['train']:.1f} s of training: "
        f"{saving:.2%} on top for saving, {logging:.2%} for logging"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main(tyro.cli(Settings, description=__doc__))
