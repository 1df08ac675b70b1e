"""One episode of a BabyAI level, played by MiniGrid's own expert bot and drawn frame by frame.

References: Chevalier-Boisvert et al., "BabyAI: a platform to study the sample efficiency of
grounded language learning" (ICLR 2019), and "Minigrid & Miniworld" (NeurIPS 2023), whose package
minigrid (MIT) holds the levels, the bot and the drawings.
"""

from __future__ import annotations

import functools
import hashlib
import os
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.registry import suggest
from vidgen.types import Episode

PREFIX = "BabyAI-"

UNSOLVED = frozenset(
    {
        "BabyAI-KeyInBox-v0",
        "BabyAI-PutNextS5N2Carrying-v0",
        "BabyAI-PutNextS6N3Carrying-v0",
        "BabyAI-PutNextS7N4Carrying-v0",
    }
)
"""Levels of which the bot's own documentation says that it cannot solve them."""


@functools.cache
def minigrid() -> Any:
    """The package minigrid, which registers its levels with gymnasium when it is imported.

    Raises:
        ImportError: with what to install.
    """
    # pygame, which minigrid imports for its window, greets on the standard output.
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import minigrid
        from minigrid.envs.babyai.core import roomgrid_level
    except ImportError as error:
        raise ImportError(
            "the source 'babyai' plays levels of the package minigrid, which is not installed: "
            "pip install 'vidgen[babyai]'"
        ) from error
    # Levels print every layout that they reject, thousands of lines an epoch. Their module's own
    # name is shadowed, since to redirect the standard output would silence other threads too.
    roomgrid_level.print = lambda *_, **__: None  # type: ignore[attr-defined]
    return minigrid


def levels() -> list[str]:
    """The gym ids of every level that the bot can play."""
    minigrid()
    import gymnasium

    return sorted(
        name for name in gymnasium.registry if name.startswith(PREFIX) and name not in UNSOLVED
    )


def make_level(level: str) -> Any:
    """A new environment, without a seed yet.

    A new one an episode: what a level keeps from one reset to the next can then decide nothing, and
    threads share none.

    Raises:
        ValueError: for a level that the bot cannot solve.
        UnknownNameError: for a name that does not exist, with the near misses.
    """
    if level in UNSOLVED:
        raise ValueError(f"MiniGrid's bot cannot solve {level}: choose another level")
    known = levels()
    if level not in known:
        raise suggest(level, known, "BabyAI level")
    import gymnasium

    return gymnasium.make(level, disable_env_checker=True).unwrapped


def start(level: str, seed: int) -> Any:
    """A new environment at the beginning of the episode of a seed."""
    env = make_level(level)
    env.reset(seed=seed)
    return env


def initial_hash(env: Any) -> bytes:
    """SHA-256 of what an episode begins with: its grid, its agent and its mission."""
    digest = hashlib.sha256(env.mission.encode())
    digest.update(env.grid.encode().tobytes())
    digest.update(np.array(_agent(env), np.int16).tobytes())
    return digest.digest()


def play(
    env: Any, level: str, seed: int, *, frames: int, tile: int, cut: bool
) -> tuple[UInt8[np.ndarray, "T H W 3"], Episode] | None:
    """Have the bot play an episode.

    Args:
        env: as `start` gives it.
        level: its gym id.
        seed: of its reset.
        frames: T; once the mission is fulfilled, the last frame is held.
        tile: pixels of a cell.
        cut: whether an episode of more than T frames is cut.

    Returns:
        The frames and what happened, or None if the episode is too long or the bot fails.
    """
    from minigrid.utils import baby_ai_bot

    actions = np.full(frames - 1, -1, np.int8)
    grids, agents, drawn = [env.grid.encode()], [_agent(env)], [draw(env, tile)]
    fulfilled = False
    try:
        bot: Any = baby_ai_bot.BabyAIBot(env)
        for step in range(frames - 1):
            action = int(bot.replan())
            if action == env.actions.done:
                return None  # it believes itself done, and the level disagrees
            _, reward, over, timed_out, _ = env.step(action)
            actions[step] = action
            grids.append(env.grid.encode())
            agents.append(_agent(env))
            drawn.append(draw(env, tile))
            fulfilled = float(reward) > 0
            if over or timed_out:
                break
        else:
            over = timed_out = False
    except (AssertionError, baby_ai_bot.DisappearedBoxError):
        return None  # layouts of the largest levels that the bot does not foresee
    if not fulfilled and (over or timed_out or not cut):
        return None
    held = frames - len(drawn)
    video = np.stack(drawn + drawn[-1:] * held)
    return video, Episode(
        level=level,
        seed=seed,
        grid=np.stack(grids + grids[-1:] * held),
        agent=np.array(agents + agents[-1:] * held, np.int16),
        actions=actions,
        fulfilled=fulfilled,
    )


def replay(episode: Episode, *, tile: int) -> UInt8[np.ndarray, "T H W 3"]:
    """The frames of an episode as MiniGrid's own dynamics and its own drawing give them.

    The level is reset with the episode's seed and the recorded actions are taken; neither the bot
    nor the recorded states take part, nor does `draw`.

    Args:
        episode: what was played.
        tile: pixels of a cell.
    """
    env = start(episode.level, episode.seed)
    frames = [env.get_frame(highlight=False, tile_size=tile)]
    for action in episode.actions.tolist():
        if action >= 0:
            env.step(action)
        frames.append(env.get_frame(highlight=False, tile_size=tile))
    return np.stack(frames)


def draw(env: Any, tile: int) -> UInt8[np.ndarray, "H W 3"]:
    """The whole grid with MiniGrid's tiles, without its own loop over their pixels."""
    grid = env.grid
    at = int(env.agent_pos[1]) * grid.width + int(env.agent_pos[0])
    tiles = [
        grid.render_tile(cell, agent_dir=env.agent_dir if place == at else None, tile_size=tile)
        for place, cell in enumerate(grid.grid)
    ]
    # Cut off and not rounded, as MiniGrid does when it lays its tiles into a picture.
    rows = np.stack(tiles).astype(np.uint8).reshape(grid.height, grid.width, tile, tile, 3)
    return np.ascontiguousarray(rows.swapaxes(1, 2)).reshape(
        grid.height * tile, grid.width * tile, 3
    )


def _agent(env: Any) -> tuple[int, int, int, int, int]:
    carried = (-1, -1) if env.carrying is None else env.carrying.encode()[:2]
    x, y = (int(value) for value in env.agent_pos)
    return (x, y, int(env.agent_dir), int(carried[0]), int(carried[1]))
