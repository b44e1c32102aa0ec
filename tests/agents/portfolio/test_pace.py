"""The pace of streams: few are not slowed, many share the loop."""

from hexar.agents.portfolio.pace import LOOP_SHARE, MESSAGE_COST, Pace


def test_a_hundred_streams_of_twenty_tokens_a_second_are_not_slowed() -> None:
    """Alone a stream never waits; with a hundred the pause is shorter than the time between two tokens."""
    pace = Pace()
    with pace.held():
        assert pace.pause() == 0.0
    held = [pace.held() for _ in range(100)]
    for one in held:
        one.__enter__()
    assert 0 < pace.pause() < 1 / 20


def test_all_streams_together_take_their_share_of_the_loop() -> None:
    """However many stream, their messages fill no more than the loop's share; who leaves gives its part back."""
    pace = Pace()
    held = [pace.held() for _ in range(2000)]
    for one in held:
        one.__enter__()
    assert abs(2000 * MESSAGE_COST / pace.pause() - LOOP_SHARE) < 1e-9
    for one in held:
        one.__exit__(None, None, None)
    assert (pace.streams, pace.pause()) == (0, 0.0)
