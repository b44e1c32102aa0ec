"""One server for the clients of all languages, behind a recording of what it sends."""

from collections.abc import Iterator

import pytest

from tests.clients.languages.recording import Recording
from tests.fix.demo_server import demo_server


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with everything that the demo has."""
    with demo_server(tmp_path_factory.mktemp("demo")) as address:
        yield address


@pytest.fixture(scope="session")
def recording(demo: str) -> Iterator[Recording]:
    """What passes calls on to it."""
    made = Recording(demo)
    yield made
    made.close()
