"""From pixels back to a grid: each cell is the nearest of MiniGrid's own tiles, or none.

A cell further from every tile than `UNKNOWN_DISTANCE` is unknown: a smear is not an object.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from vidgen.data.babyai_episode import minigrid

UNKNOWN_DISTANCE = 24.0
"""Root mean square difference over the pixels and channels of a cell, of 255: a tenth of full
contrast. At 8 pixels two tiles lie at least 16 apart (purple and grey doors that stand open)."""

NO_TILE = -1
"""What an unknown cell shows."""

_AT_ONCE = 65_536


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tile:
    """What a cell may show: the (object, colour, state) of MiniGrid's encoding, and the agent.

    Attributes:
        cell: what stands there; `EMPTY` for nothing.
        direction: of the agent in it, 0 right, 1 down, 2 left, 3 up; -1 for no agent.
        name: in words.
    """

    cell: tuple[int, int, int]
    direction: int
    name: str


EMPTY = (1, 0, 0)


class Tiles:
    """Every tile that a level may show, as MiniGrid draws it.

    Args:
        size: pixels a side of a cell.

    Attributes:
        tiles: their meanings.
        pixels: float32 [K size size 3], their looks.

    Raises:
        ImportError: if minigrid is not installed, with what to install.
        ValueError: if two tiles look alike at this size.
    """

    def __init__(self, size: int) -> None:
        minigrid()
        from minigrid.core.grid import Grid
        from minigrid.core.world_object import WorldObj

        self.size = size
        self.tiles = _tiles()
        self._number = {(tile.cell, tile.direction): k for k, tile in enumerate(self.tiles)}
        drawn = [
            Grid.render_tile(
                WorldObj.decode(*tile.cell),
                agent_dir=tile.direction if tile.direction >= 0 else None,
                tile_size=size,
            )
            for tile in self.tiles
        ]
        # MiniGrid cuts fractions off when it lays a tile into a picture.
        self.pixels = np.stack(drawn).astype(np.uint8).astype(np.float32)
        if len({tile.tobytes() for tile in self.pixels}) < len(self.tiles):
            raise ValueError(f"at {size} pixels two of MiniGrid's tiles look alike; take more")

    @property
    def names(self) -> tuple[str, ...]:
        """Of each tile."""
        return tuple(tile.name for tile in self.tiles)

    def read(self, video: np.ndarray) -> np.ndarray:
        """Which tile each cell shows.

        Args:
            video: uint8 [N T H W 3], H and W multiples of the size of a cell.

        Returns:
            int64 [N T X Y], indices into `tiles`, `NO_TILE` for the unknown; X goes right.
        """
        n, frames, height, width = video.shape[:4]
        cells = video.reshape(
            n, frames, height // self.size, self.size, width // self.size, self.size, 3
        )
        flat = cells.transpose(0, 1, 4, 2, 3, 5, 6).reshape(-1, self.size**2 * 3)
        # The same few looks come again and again, and equal cells need be compared but once.
        looks, places = np.unique(
            flat.view(np.dtype((np.void, flat.shape[1]))).ravel(), return_inverse=True
        )
        looks = looks.view(np.uint8).reshape(-1, flat.shape[1])
        known = self.pixels.reshape(len(self.tiles), -1)
        found = np.concatenate(
            [_nearest(looks[i : i + _AT_ONCE], known) for i in range(0, len(looks), _AT_ONCE)]
        )
        return found[places].reshape(n, frames, width // self.size, height // self.size)

    def number(self, grid: np.ndarray, agent: np.ndarray) -> np.ndarray:
        """int64 [T X Y], the tiles of states as `vidgen.types.Episode` keeps them."""
        tiles = np.empty(grid.shape[:3], np.int64)
        for place in np.ndindex(tiles.shape):
            tiles[place] = self._number[_plain(grid[place]), -1]
        for t, (x, y, direction) in enumerate(agent[:, :3].tolist()):
            tiles[t, x, y] = self._number[_plain(grid[t, x, y]), direction]
        return tiles


def _nearest(looks: np.ndarray, known: np.ndarray) -> np.ndarray:
    """int64 [n], the nearest of [K F] to each of [n F], `NO_TILE` where none is near."""
    looks = looks.astype(np.float32)
    squares = (looks**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2.0 * looks @ known.T
    best = squares.argmin(1)
    near = squares[np.arange(len(looks)), best] <= UNKNOWN_DISTANCE**2 * looks.shape[1]
    return np.where(near, best, NO_TILE)


def _plain(cell: np.ndarray) -> tuple[int, int, int]:
    """The (object, colour, state) of uint8 [3]."""
    kind, colour, state = cell.tolist()
    return (kind, colour, state)


def _tiles() -> tuple[Tile, ...]:
    from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

    ways = ("right", "down", "left", "up")
    wall = (OBJECT_TO_IDX["wall"], COLOR_TO_IDX["grey"], 0)
    found = [
        Tile(cell=EMPTY, direction=-1, name="empty"),
        Tile(cell=wall, direction=-1, name="wall"),
    ]
    for colour, number in COLOR_TO_IDX.items():
        for kind in ("key", "ball", "box"):
            cell = (OBJECT_TO_IDX[kind], number, 0)
            found.append(Tile(cell=cell, direction=-1, name=f"{colour} {kind}"))
        for state, code in STATE_TO_IDX.items():
            cell = (OBJECT_TO_IDX["door"], number, code)
            found.append(Tile(cell=cell, direction=-1, name=f"{state} {colour} door"))
    for direction, way in enumerate(ways):
        found.append(Tile(cell=EMPTY, direction=direction, name=f"agent facing {way}"))
        for colour, number in COLOR_TO_IDX.items():
            cell = (OBJECT_TO_IDX["door"], number, STATE_TO_IDX["open"])
            name = f"agent facing {way} in a {colour} door"
            found.append(Tile(cell=cell, direction=direction, name=name))
    return tuple(found)
