import hashlib

import numpy as np

from vidgen.data.draws import Draws
from vidgen.data.grounds import Ground


def test_textures_are_the_same_on_every_machine():
    # Whole numbers only, so that a hash written down here holds everywhere.
    textures = Ground("test", 16, 20).textures
    assert textures.shape == (10, 24, 30, 3)
    assert hashlib.sha256(textures.tobytes()).hexdigest()[:16] == "d39bcc648525c7d8"


def test_textures_are_muted_and_vary():
    textures = Ground("train", 32, 32).textures
    assert textures.max() < 128
    assert (np.ptp(textures, axis=(1, 2)).max(axis=1) > 20).all()
    # Smooth within a cell of the finest octave, which 48 pixels hold 24 of.
    assert np.abs(np.diff(textures.astype(int), axis=2)).mean() < 6


def test_a_window_lies_in_its_texture_and_windows_differ():
    ground = Ground("validation", 9, 13)
    windows = [ground.draw(Draws(1, index)) for index in range(30)]
    assert {window.shape for window in windows} == {(9, 13, 3)}
    assert len({window.tobytes() for window in windows}) > 20
    views = np.lib.stride_tricks.sliding_window_view(ground.textures, (9, 13), axis=(1, 2))
    assert (views == windows[0].transpose(2, 0, 1)).all(axis=(3, 4, 5)).any()
