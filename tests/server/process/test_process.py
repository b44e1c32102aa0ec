"""What every process does in quiet moments."""

import gc
import weakref

from hexar.server.engine.process import YOUNG_OBJECTS, collect_young


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_of_young_objects_go_in_a_quiet_moment_where_there_are_many() -> None:
    """A few objects are not worth a look; among some thousands the cycles are found, without the interpreter's own rounds."""
    gc.collect()
    gc.disable()
    try:
        seen = weakref.ref(Knot())
        collect_young()
        assert seen() is not None
        held = [[each] for each in range(YOUNG_OBJECTS)]
        collect_young()
        assert seen() is None
        assert len(held) == YOUNG_OBJECTS
    finally:
        gc.enable()
