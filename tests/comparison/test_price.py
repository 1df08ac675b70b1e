"""What else the machine does while a clip is timed."""

import pytest

from vidgen.comparison import price
from vidgen.comparison.price import watch_neighbours


@pytest.fixture
def cores(monkeypatch, tmp_path):
    """Sets what the system and this process have counted, in hundredths of a second."""
    stat, own = tmp_path / "stat", [0.0]
    monkeypatch.setattr(price, "_STAT", stat)
    monkeypatch.setattr(price, "_tick", lambda: 100)
    monkeypatch.setattr(price.time, "process_time", lambda: own[0])
    monkeypatch.setattr(price.os, "sched_getaffinity", lambda pid: {2, 11})

    def count(user, idle, mine, *, stolen=0):
        # Others than ours are at work all the time, and so is the sum of all.
        other = f"{9 * (user + stolen)} 0 0 0 0 0 0 0 0 0"
        one, two = user // 2, user - user // 2
        stat.write_text(
            f"cpu  {other}\ncpu1 {other}\n"
            f"cpu2 {one} 0 10 {idle} 5 0 0 {stolen} 7 7\ncpu11 {two} 0 0 0 0 0 0 0 0 0\n"
            "intr 1 2 3\n"
        )
        own[0] = mine / 100

    return count


@pytest.mark.parametrize(
    ("user", "idle", "mine", "stolen", "share"),
    [
        (200, 0, 200, 0, 0.0),  # all of it is our own
        (200, 0, 100, 0, 0.5),
        (50, 100, 0, 50, 0.5),  # by another machine on this processor, too
        (100, 100, 110, 0, 0.0),  # clocks that are read one after the other
        (5, 10, 0, 0, None),  # too short to tell
    ],
)
def test_a_share_of_the_machine_is_what_others_took_of_all_cores(
    cores, user, idle, mine, stolen, share
):
    cores(1000, 3000, 400, stolen=20)
    with watch_neighbours() as neighbours:
        cores(1000 + user, 3000 + idle, 400 + mine, stolen=20 + stolen)
    assert neighbours.share == (None if share is None else pytest.approx(share))


def test_of_an_accelerator_the_cores_say_nothing(cores, monkeypatch):
    monkeypatch.setattr(price.jax, "default_backend", lambda: "gpu")
    cores(0, 0, 0)
    with watch_neighbours() as neighbours:
        cores(200, 0, 100)
    assert neighbours.share is None


def test_where_the_system_does_not_say_nothing_is_claimed(monkeypatch, tmp_path):
    monkeypatch.setattr(price, "_STAT", tmp_path / "absent")
    with watch_neighbours() as neighbours:
        pass
    assert neighbours.share is None
