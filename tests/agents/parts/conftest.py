"""Catalogues for the tests: a small one of our own in every test, the real one once a session."""

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from hexar.agents.parts import demo
from hexar.agents.parts.catalogue.reading import CatalogueStore
from hexar.agents.parts.catalogue.tables import TABLES
from hexar.agents.parts.catalogue.view import Catalogues, CatalogueView
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    """An empty store of its own."""
    made = Database(store_url)
    create_tables(made, (TABLES,))
    yield made
    made.close()


@pytest.fixture
def catalogues(database: Database) -> Catalogues:
    """The demo catalogue as "default"."""
    import_catalogue(database, demo.PATH)
    return Catalogues(CatalogueStore(database))


@pytest.fixture
def view(catalogues: Catalogues) -> CatalogueView:
    """The demo catalogue's view."""
    return catalogues.view("default")


@pytest.fixture
def pool() -> Iterator[Dispatcher]:
    """A dispatcher with five threads."""
    made = Dispatcher(BulkheadConfig(threads=5, queue=4096))
    yield made
    made.close()


@pytest.fixture
def bucket(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder in the bucket layout; each argument replaces a file's lines (None leaves the file out)."""

    def write(*, compressed: bool = False, **changes: object) -> Path:
        folder = tmp_path / "bucket"
        folder.mkdir(exist_ok=True)
        files: dict[str, object] = {
            "manufacturers.json": '{"1": "ACME"}',
            "models.jsonl": [
                {"id": "10", "name": "ACME ROADSTER I (R1)", "manufacturerId": "1", "additionalInfo": {"fromDate": "2001-05-01", "toDate": "2009-01-01"}},
            ],
            "variants.jsonl": [
                {"id": "100", "type": "1.4", "modelId": "10", "manufacturerId": "1", "specs": {"engineCode": "AA,BB,AA", "cylinder": "4", "capacity": "1,390 CCM / 1.4 L", "fuelType": "Petrol", "year": "2001-06-01\n   \n  2008-04-01", "power": "55 KW / 75 PS"}},
                {"id": "101", "type": "1.9 D", "modelId": "10", "manufacturerId": "1", "specs": {"year": "2003-06-01"}},
            ],
            "categories.jsonl": [
                {"variantId": "100", "categories": [{"id": "7", "name": "Body", "productGroups": [{"id": "70", "name": "Headlight/Parts"}, {"id": "71", "name": "Lights"}]}]},
                {"variantId": "101", "categories": [{"id": "7", "name": "Body", "productGroups": [{"id": "70", "name": "Headlight/Parts"}]}]},
            ],
            "articles.jsonl": [
                {"id": "1000", "name": "Headlight", "partNo": "H-1", "brand": "LUX", "supplierId": "5", "productsId": "9", "imageUrl": None, "techDetails": {"Fitting Position": "Left", "Article ID:": "1000", "OEM Numbers ACME:": "12, 13,4"}},
                {"id": "1001", "name": "Headlight", "partNo": "H-2", "brand": "LUX", "techDetails": {"Fitting Position": "Right"}},
                {"id": "1002", "name": "Headlight", "partNo": "H-3", "brand": "DIM", "techDetails": {}},
            ],
            "fitments.csv": [
                "manufacturer_id,model_id,variant_id,category_id,product_group_id,article_id,products_id",
                "1,10,100,7,70,1000,9",
                "1,10,100,7,70,1001,9",
                "1,10,100,7,70,1000,9",
                "1,10,101,7,70,1002,9",
            ],
        }  # fmt: skip
        files.update({name.replace("__", "."): value for name, value in changes.items()})
        for name, content in files.items():
            if content is None:
                continue
            if isinstance(content, list):
                lines = [line if isinstance(line, str) else orjson.dumps(line).decode() for line in content]
                content = "\n".join(lines) + "\n"
            data = content if isinstance(content, bytes) else str(content).encode()
            if compressed and not name.endswith(".json"):
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
        return folder

    return write


@dataclass(frozen=True)
class Real:
    """The real catalogue, imported, beside its raw files."""

    folder: Path
    database: Database
    catalogues: Catalogues
    view: CatalogueView
    #: (variant id, article id) of every row of the raw CSV.
    fitments: frozenset[tuple[str, str]]


@pytest.fixture(scope="session")
def real(hexar_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """The real catalogue as "default"."""
    folder = hexar_data / "parts"
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('real') / 'store.db'}")
    create_tables(database, (TABLES,))
    import_catalogue(database, folder)
    catalogues = Catalogues(CatalogueStore(database))
    with gzip.open(folder / "fitments.csv.gz", "rt") as lines:
        fitments = frozenset((row["variant_id"], row["article_id"]) for row in csv.DictReader(lines))
    yield Real(folder, database, catalogues, catalogues.view("default"), fitments)
    database.close()
