"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: how long a single example may take is not what these tests are about.
settings.register_profile("quick", deadline=None, print_blob=True, max_examples=60)
settings.register_profile("long", settings.get_profile("quick"), max_examples=500)
settings.load_profile("quick")

pytest_plugins = (
    "tests.fix.pace",
    "tests.fix.stores.redis_server",
    "tests.fix.stores.redis_kinds",
    "tests.fix.stores.postgres_server",
    "tests.project.wheels",
)


@pytest.fixture(scope="session")
def hexar_data() -> Path:
    """The folder of real data sets; the test is skipped, by name, where ``HEXAR_DATA`` is unset."""
    value = os.environ.get("HEXAR_DATA")
    if not value:
        pytest.skip("HEXAR_DATA is not set: this test reads real data that is not part of the project")
    folder = Path(value)
    if not folder.is_dir():
        pytest.fail(f"HEXAR_DATA names {value}, which is not a folder")
    return folder
