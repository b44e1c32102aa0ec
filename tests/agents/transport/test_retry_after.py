"""How long a server asks to wait: seconds, a date by its own clock, or what cannot be believed."""

import time
from email.utils import formatdate

import pytest

from hexar.agents.transport.retry_after import MAX_SECONDS, retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        (" 1.5 ", 1.5),
        ("99999999", MAX_SECONDS),
        ("inf", MAX_SECONDS),
        ("1e400", MAX_SECONDS),
        ("-5", 7.0),
        ("nan", 7.0),
        ("", 7.0),
        ("soon", 7.0),
        ("Wed, 99 Foo 2099 07:28:00 GMT", 7.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", MAX_SECONDS),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_what_a_header_says(text: str, seconds: float) -> None:
    """What cannot be read is the default; nobody is waited for longer than an hour."""
    assert retry_after({"retry-after": text}, 7.0) == seconds


def test_a_date_is_counted_from_the_answers_own() -> None:
    """A server whose clock is a day off asks for ten seconds all the same."""
    yesterday = time.time() - 86_400
    headers = {"date": formatdate(yesterday, usegmt=True), "retry-after": formatdate(yesterday + 10, usegmt=True)}
    assert retry_after(headers, 1.0) == 10.0


def test_without_a_header_the_default_holds() -> None:
    assert retry_after({}, 3.0) == 3.0
