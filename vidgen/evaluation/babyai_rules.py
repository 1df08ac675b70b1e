"""What MiniGrid's rules say of a sequence of states: which steps are legal, is the mission done.

Nothing of the rules is written down here. The action that could lead from one state to the next is
guessed, MiniGrid takes it, and the step is legal if MiniGrid arrives where the clip does. Its own
verifier watches the mission, and ends the episode: what still moves afterwards is illegal.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vidgen.data.babyai_episode import start
from vidgen.evaluation.babyai_tiles import EMPTY, NO_TILE, Tiles
from vidgen.types import Episode


@dataclasses.dataclass(frozen=True, kw_only=True)
class Played:
    """What a sequence of T states is worth.

    Attributes:
        readable: bool [T], no cell unknown, exactly one agent, and a wall all around.
        legal: bool [T - 1], whether MiniGrid can step from each state to the next.
        fulfilled: whether the mission is fulfilled, by legal steps alone.
        held: T names, as `Tiles.names` has them, of what the agent has legally picked up and
            carries; "" for empty hands.
        opened: int64 [T], boxes that were legally opened until then.
    """

    readable: np.ndarray
    legal: np.ndarray
    fulfilled: bool
    held: tuple[str, ...]
    opened: np.ndarray


def play(states: np.ndarray, tiles: Tiles, episode: Episode) -> Played:
    """Replay states through MiniGrid.

    What is hidden is taken from the episode where the states begin as it does (what a box holds);
    elsewhere boxes are empty. The agent begins with empty hands.

    Args:
        states: int64 [T X Y], as `Tiles.read` gives them.
        tiles: their meanings.
        episode: whose level and mission are asked for.
    """
    readable = np.array([_readable(state, tiles) for state in states])
    frames = len(states)
    legal, held = np.zeros(frames - 1, np.bool_), [""] * frames
    opened = np.zeros(frames, np.int64)
    env = start(episode.level, episode.seed)
    # What the agent sees plays no part, and takes most of the time of a step.
    env.gen_obs = dict
    env.max_steps = frames + 1
    fulfilled = over = False
    lawful = bool(readable[0])
    if lawful and (states[0] != _state(env, tiles)).any():
        _place(env, states[0], tiles)
    for t in range(frames - 1):
        before, after = states[t], states[t + 1]
        opened[t + 1], held[t + 1] = opened[t], held[t]
        if not (readable[t] and readable[t + 1]):
            lawful = False
            continue
        if over:
            legal[t] = (before == after).all()
            continue
        if (_state(env, tiles) != before).any():
            _place(env, before, tiles)
        action = _action(env, before, after, tiles)
        if action is not None:
            boxes, carried = _boxes(before, tiles), env.carrying
            _, reward, terminated, *_ = env.step(action)
            legal[t] = (_state(env, tiles) == after).all()
            if legal[t] and action == env.actions.toggle:
                opened[t + 1] += boxes > _boxes(after, tiles)
            if not legal[t]:
                env.carrying = carried
            held[t + 1] = _name(env.carrying)
            over = bool(terminated and legal[t] and lawful)
            fulfilled |= over and float(reward) > 0
        lawful &= bool(legal[t])
    return Played(
        readable=readable, legal=legal, fulfilled=fulfilled, held=tuple(held), opened=opened
    )


def _readable(state: np.ndarray, tiles: Tiles) -> bool:
    if (state == NO_TILE).any():
        return False
    border = np.concatenate([state[0], state[-1], state[:, 0], state[:, -1]])
    walled = all(tiles.names[k] == "wall" for k in np.unique(border))
    return walled and len(_agents(state, tiles)) == 1


def _agents(state: np.ndarray, tiles: Tiles) -> list[tuple[int, int, int]]:
    """(x, y, direction) of every agent."""
    directions = np.array([tile.direction for tile in tiles.tiles])[state]
    return [(int(x), int(y), int(directions[x, y])) for x, y in np.argwhere(directions >= 0)]


def _boxes(state: np.ndarray, tiles: Tiles) -> int:
    return sum(tiles.names[k].endswith("box") for k in state.ravel())


def _name(thing: Any) -> str:
    return "" if thing is None else f"{thing.color} {thing.type}"


def _state(env: Any, tiles: Tiles) -> np.ndarray:
    """int64 [X Y], the tiles of an environment."""
    x, y = (int(value) for value in env.agent_pos)
    agent = np.array([[x, y, int(env.agent_dir)]])
    return tiles.number(env.grid.encode()[None], agent)[0]


def _place(env: Any, state: np.ndarray, tiles: Tiles) -> None:
    """Give an environment another state, and let its mission begin there.

    What the agent carries is in no state, and it keeps it.
    """
    from minigrid.core.world_object import WorldObj

    for x, y in np.ndindex(state.shape):
        cell = tiles.tiles[state[x, y]].cell
        thing = None if cell == EMPTY else WorldObj.decode(*cell)
        if thing is not None:
            thing.init_pos = thing.cur_pos = (x, y)
        env.grid.set(x, y, thing)
    ((x, y, direction),) = _agents(state, tiles)
    env.agent_pos, env.agent_dir = (x, y), direction
    env.instrs.reset_verifier(env)


def _action(env: Any, before: np.ndarray, after: np.ndarray, tiles: Tiles) -> int | None:
    """The one action that could explain a step; None where there is none.

    Where nothing changes it is ``done``, which changes nothing.
    """
    ((x, y, direction),) = _agents(before, tiles)
    ((to_x, to_y, to),) = _agents(after, tiles)
    actions = env.actions
    if (x, y) != (to_x, to_y):
        return actions.forward
    if direction != to:
        return actions.right if (direction + 1) % 4 == to else actions.left
    changed = np.argwhere(before != after)
    if len(changed) == 0:
        return actions.done
    if len(changed) > 1:
        return None
    place = tuple(changed[0])
    was, becomes = (tiles.tiles[state[place]].cell for state in (before, after))
    if was == EMPTY:
        return actions.drop
    if becomes == EMPTY and env.carrying is None:
        return actions.pickup
    return actions.toggle
