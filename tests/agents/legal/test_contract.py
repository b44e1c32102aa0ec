"""Values of the contract as the legal system reads them."""

import pytest

from hexar.agents.legal.messages.contract import day
from hexar.agents.legal.templates.readings import NotReadable
from hexar.v1 import legal_pb2 as pb


@pytest.mark.parametrize(("year", "month", "of_month"), [(2026, 2, 30), (0, 1, 1), (2**31, 1, 1), (2026, 2**32 - 1, 1)])
def test_a_day_that_does_not_exist_is_told(year: int, month: int, of_month: int) -> None:
    """Whatever the numbers are, also those that no date can hold."""
    with pytest.raises(NotReadable, match="is no day of the calendar"):
        day(pb.CalendarDate(year=year, month=month, day=of_month))
