from vidgen.data.draws import Draws, salt


def test_draws_are_splitmix64():
    # The reference implementation's first words from state 0, to which salt 0 and index 0 lead.
    draws = Draws(0, 0)
    assert [draws.below(2**64) for _ in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_every_clip_and_every_name_has_draws_of_its_own():
    streams = [Draws(salt(name), index) for name in ("a/train/0", "a/test/0") for index in range(9)]
    assert len({stream.below(2**64) for stream in streams}) == 18


def test_draws_are_uniform_below_their_count():
    draws = Draws(salt("uniform"), 0)
    counts = [0] * 7
    for _ in range(7000):
        counts[draws.below(7)] += 1
    # Five standard errors of a count.
    assert max(abs(count - 1000) for count in counts) < 5 * (7000 * 6 / 49) ** 0.5
