"""Importing catalogues: what is kept, what is refused and where, and when it becomes visible."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from hexar.agents.parts import demo
from hexar.agents.parts.catalogue import generations, tables
from hexar.agents.parts.catalogue.reading import CatalogueStore
from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.catalogue.report import CatalogueExists, CatalogueUnreadable
from hexar.agents.parts.catalogue.view import Catalogues
from hexar.agents.parts.importers.csvmap import read_map
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.store import Database

Bucket = Callable[..., Path]


def problems(report: object) -> list[tuple[str, int]]:
    return [(problem.file, problem.line) for problem in report.problems]  # type: ignore[attr-defined]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_bucket_is_imported_plain_or_compressed(database: Database, bucket: Bucket, compressed: bool) -> None:
    """Every kind of row arrives with its values, and repeats of fitments are dropped and counted."""
    report = import_catalogue(database, bucket(compressed=compressed))
    assert report.kept["fitments"] == 3
    assert report.repeated["fitments"] == 1
    assert not report.problems
    view = Catalogues(CatalogueStore(database)).view("default")
    variant = view.vehicles.variant_by_id["100"]
    assert (variant.name, variant.year_from, variant.year_to) == ("1.4", 2001, 2008)
    assert (variant.engine_codes, variant.fuel, variant.capacity_cc, variant.power_kw) == (("AA", "BB"), "Petrol", 1390, 55)
    assert view.vehicles.manufacturers[0].name == "ACME"
    rows, _, _ = view.listed((variant.key,), (view.group_by_id["70"].key,))
    assert {(row.id, row.side) for row in rows} == {("1000", Side.LEFT), ("1001", Side.RIGHT)}
    article = view.articles([row.article_key for row in rows if row.id == "1000"]).popitem()[1]
    assert article.oem == (("ACME", "12"), ("ACME", "13,4"))
    assert article.details == (("Fitting Position", "Left"),)


def test_a_bad_row_is_reported_with_file_and_line_and_the_rest_is_kept(database: Database, bucket: Bucket) -> None:
    """Broken JSON, wrong types, unknown references, short rows, bytes that are no UTF-8: each is named, none stops it."""
    folder = bucket(
        models__jsonl=[
            {"id": "10", "name": "ACME ROADSTER", "manufacturerId": "1"},
            "{not json",
            "[1, 2]",
            {"id": True, "name": "x", "manufacturerId": "1"},
        ],
        fitments__csv=b"manufacturer_id,model_id,variant_id,category_id,product_group_id,article_id,products_id\n"
        b"1,10,100,7,70,1000,9\n"
        b"1,10,100,7,70\n"
        b"1,10,999,7,70,1000,9\n"
        b"1,10,100,7,70,\xff\xfe,9\n"
        b"1,10,100,7,99,1000,9\n"
        b"1,10,101,7,70,1002,9\n",
    )
    report = import_catalogue(database, folder)
    assert report.kept["fitments"] == 2
    assert problems(report) == [
        ("models.jsonl", 2), ("models.jsonl", 3), ("models.jsonl", 4),
        ("fitments.csv", 3), ("fitments.csv", 4), ("fitments.csv", 5), ("fitments.csv", 6),
    ]  # fmt: skip


def test_a_manufacturer_without_a_name_is_named_by_its_models(database: Database, bucket: Bucket) -> None:
    """The words that all of its models begin with are the name."""
    folder = bucket(
        manufacturers__json=None,
        models__jsonl=[
            {"id": "10", "name": "LAND ROVER DEFENDER", "manufacturerId": "1"},
            {"id": "11", "name": "LAND ROVER DISCOVERY II", "manufacturerId": "1"},
        ],
    )
    import_catalogue(database, folder)
    assert Catalogues(CatalogueStore(database)).view("default").vehicles.manufacturers[0].name == "LAND ROVER"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"variants__jsonl": None}, "lacks variants"),
        ({"fitments__csv": ["a,b,c"]}, "header lacks"),
        ({"articles__jsonl": []}, "no usable fitment"),
    ],
)
def test_a_source_without_a_catalogue_is_refused_and_leaves_nothing(
    database: Database, bucket: Bucket, changes: dict[str, object], text: str
) -> None:
    """Nothing becomes visible, and no row stays behind."""
    with pytest.raises(CatalogueUnreadable, match=text):
        import_catalogue(database, bucket(**changes))
    with database.read() as connection:
        for table, _ in tables.GENERATION_TABLES:
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(tables.generations)).scalar() == 0


def test_a_damaged_compressed_file_is_refused(database: Database, bucket: Bucket) -> None:
    """A file that was cut short is not a smaller catalogue."""
    folder = bucket(compressed=True)
    path = folder / "fitments.csv.gz"
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(CatalogueUnreadable, match="damaged"):
        import_catalogue(database, folder)
    assert CatalogueStore(database).current("default") is None


def test_a_taken_name_is_refused_unless_replacing_was_asked_for(database: Database, bucket: Bucket) -> None:
    """Each import raises the version by one."""
    folder = bucket()
    assert import_catalogue(database, folder).version == 1
    with pytest.raises(CatalogueExists):
        import_catalogue(database, folder)
    assert import_catalogue(database, folder, replace=True).version == 2
    assert import_catalogue(database, folder, catalogue="other").version == 1


def test_a_reader_keeps_the_old_state_while_a_new_one_arrives(database: Database, bucket: Bucket) -> None:
    """A view that a request holds answers from its own generation after the next import, and even after the one after it."""
    catalogues = Catalogues(CatalogueStore(database))
    import_catalogue(database, bucket())
    old = catalogues.view("default")
    changed = bucket(variants__jsonl=[{"id": "100", "type": "1.4", "modelId": "10", "specs": {}}])
    for _ in range(2):
        import_catalogue(database, changed, replace=True)
    rows, _, _ = old.listed((old.vehicles.variant_by_id["101"].key,), (old.group_by_id["70"].key,))
    assert [row.id for row in rows] == ["1002"]
    new = catalogues.view("default")
    assert new.row.version == 3
    assert "101" not in new.vehicles.variant_by_id


def test_retired_generations_are_removed_by_a_later_import(database: Database, bucket: Bucket) -> None:
    """Once the grace is over, only the visible generation has rows."""
    folder = bucket()
    for _ in range(3):
        import_catalogue(database, folder, replace=True)
    with database.write() as connection:
        connection.execute(
            update(tables.generations).where(tables.generations.c.retired_at.is_not(None)).values(retired_at=time.time() - 1e6)
        )
    assert len(generations.collect(database)) == 2
    with database.read() as connection:
        left = set(connection.execute(select(tables.fitments.c.generation)).scalars())
        current = connection.execute(select(tables.catalogues.c.generation)).scalar()
    assert left == {current}


KILLED = """
import os, signal, sys
from pathlib import Path
from hexar.agents.parts.catalogue import writer
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.store import Database

database = Database(sys.argv[1])
writer.ARTICLE_BATCH = 1
original = writer.CatalogueWriter._write_array

def dying(self, table, rows, stage):
    if table.name == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    original(self, table, rows, stage)

writer.CatalogueWriter._write_array = dying
import_catalogue(database, Path(sys.argv[2]), replace=True)
"""


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("table", ["parts_fitments", "parts_trees", "parts_group_articles"])
def test_a_killed_import_leaves_the_old_catalogue_whole(store_url: str, database: Database, bucket: Bucket, table: str) -> None:
    """kill -9 in the middle: the same view, and the next import succeeds and removes what the dead one wrote."""
    folder = bucket()
    import_catalogue(database, folder)
    catalogues = Catalogues(CatalogueStore(database))
    before = catalogues.view("default")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, store_url, str(folder), table],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert catalogues.view("default") is before
    rows, _, _ = before.listed((before.vehicles.variant_by_id["100"].key,), (before.group_by_id["70"].key,))
    assert {row.id for row in rows} == {"1000", "1001"}
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.generations)).scalar() == 2
    assert import_catalogue(database, folder, replace=True).version == 2
    with database.read() as connection:
        kept = set(connection.execute(select(tables.articles.c.generation)).scalars())
    assert len(kept) == 2, "the retired and the visible generation; the dead one is gone"


def test_a_csv_is_read_by_its_column_map(database: Database, tmp_path: Path) -> None:
    """Columns are found by the map; rows that lack what is required are refused with their line."""
    path = tmp_path / "list.csv"
    path.write_text(
        "Hersteller;Reihe;Von;Bis;Nummer;Bezeichnung;Lage;Breite\n"
        "Ford;Focus;2004;2006;A-1;Brake Pad Set, disc brake;Front Axle;120\n"
        "Ford;Focus;2004;2010;A-2;Brake Pad Set, disc brake;Rear Axle;\n"
        "Ford;Focus;two;2010;A-3;Brake Pad Set, disc brake;;\n"
        "Ford;;2004;2010;A-4;Brake Pad Set, disc brake;;\n"
        "Ford;Focus;2004;2010\n",
        "utf-8",
    )
    map_path = tmp_path / "map.yaml"
    map_path.write_text(
        "make: Hersteller\nmodel: Reihe\nyear_from: Von\nyear_to: Bis\npart_number: Nummer\nname: Bezeichnung\n"
        "fitting_position: Lage\n'detail:Width [mm]': Breite\n"
    )
    report = import_catalogue(database, path, columns=read_map(map_path))
    assert (report.kept["rows"], [problem.line for problem in report.problems]) == (2, [4, 5, 6])
    view = Catalogues(CatalogueStore(database)).view("default")
    group = view.groups[0].key
    listed = {
        (variant.year_from, variant.year_to): {
            (row.part_number, row.position) for row in view.listed((variant.key,), (group,))[0]
        }
        for variant in view.vehicles.variants
    }
    assert listed == {
        (2004, 2006): {("A-1", Position.FRONT), ("A-2", Position.REAR)},
        (2007, 2010): {("A-2", Position.REAR)},
    }


@pytest.mark.parametrize("text", ["nonsense: Column", "[1, 2]", "make: {a: b}", "{{{"])
def test_a_bad_column_map_says_what_is_wrong(tmp_path: Path, text: str) -> None:
    """Unknown fields and files that are no map are refused before anything is read."""
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueUnreadable):
        read_map(path)


ACES = """<?xml version="1.0" encoding="UTF-8"?>
<ACES version="4.2"><Header><Company>Test</Company></Header>
<App action="A" id="1"><BaseVehicle id="5911"/><SubModel id="20"/><Qual id="1"><text>With sport suspension</text></Qual><Qty>1</Qty><PartType id="1684"/><Position id="22"/><Part>BP-100</Part></App>
<App action="A" id="2"><BaseVehicle id="5912"/><Qty>1</Qty><PartType id="1684"/><Position id="30"/><Part>BP-200</Part></App>
<App action="A" id="3"><BaseVehicle id="1"/><Qty>1</Qty><PartType id="1684"/><Part>BP-300</Part></App>
<App action="A" id="4"><Years from="2010" to="2012"/><Make id="54">Ford</Make><Model id="9">Fiesta</Model><Qty>1</Qty><PartType id="1684"/><Position id="22"/><Part>BP-100</Part></App>
<App action="D" id="5"><BaseVehicle id="5911"/><Qty>1</Qty><PartType id="1684"/><Part>BP-100</Part></App>
<App action="A" id="6"><BaseVehicle id="5911"/><Qty>1</Qty><PartType id="777"/><Part>BP-999</Part></App>
</ACES>
"""
PIES = """<?xml version="1.0" encoding="UTF-8"?>
<PIES xmlns="http://www.autocare.org"><Items>
<Item MaintenanceType="A"><PartNumber>BP-100</PartNumber><BrandAAIAID>BBQQ</BrandAAIAID><BrandLabel>Stopwell</BrandLabel><PartTerminologyID>1684</PartTerminologyID>
<Descriptions><Description DescriptionCode="DES" LanguageCode="EN">Front pads</Description></Descriptions>
<ProductAttributes><ProductAttribute AttributeID="Width" AttributeUOM="mm">120</ProductAttribute></ProductAttributes>
<PartInterchangeInfo><PartInterchange BrandLabel="Ford"><PartNumber>F-1</PartNumber></PartInterchange></PartInterchangeInfo></Item>
<Item MaintenanceType="A"><BrandLabel>Nobody</BrandLabel></Item>
</Items></PIES>
"""


def write_aces(folder: Path, aces: str = ACES) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "fitment.xml").write_text(aces)
    (folder / "product.xml").write_text(PIES)
    (folder / "base_vehicles.csv").write_text("id,year,make,model\n5911,2005,Ford,Focus\n5912,2006,Ford,Focus\n")
    (folder / "part_types.csv").write_text("id,name,category\n1684,Disc Brake Pad Set,Brake\n")
    (folder / "positions.csv").write_text("id,name\n22,Front\n30,Rear\n")
    (folder / "submodels.csv").write_text("id,name\n20,ST\n")
    return folder


def test_aces_and_pies_become_one_catalogue(database: Database, tmp_path: Path) -> None:
    """Applications meet their products; numbers that no table knows are refused with their line, never guessed."""
    report = import_catalogue(database, write_aces(tmp_path / "aces"))
    assert (report.kept["applications"], report.kept["items"]) == (3, 1)
    assert problems(report) == [("product.xml", 7), ("fitment.xml", 5), ("fitment.xml", 7), ("fitment.xml", 8)]
    view = Catalogues(CatalogueStore(database)).view("default")
    assert {
        variant.year_from for variant in view.vehicles.resolve("ford fiesta").variants[0:1] for variant in [variant.variant]
    } == {2010}
    focus = view.vehicles.resolve("Ford Focus ST 2005").variants
    assert len(focus) == 1
    rows, _, _ = view.listed((focus[0].variant.key,), [group.key for group in view.groups])  # type: ignore[union-attr]
    assert [(row.part_number, row.brand, row.position) for row in rows] == [("BP-100", "Stopwell", Position.FRONT)]
    article = view.articles([rows[0].article_key])[rows[0].article_key]
    assert ("Width [mm]", "120") in article.details
    assert ("Note", "With sport suspension") in article.details
    assert article.oem == (("Ford", "F-1"),)
    match = view.components.match(view.components.read("front brake pads"))[0]
    assert match.target.names == {"Disc Brake Pad Set"}


BOMB = '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;">]><ACES><App>&lol2;</App></ACES>'
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE ACES SYSTEM "file:///etc/passwd"><ACES><App/></ACES>'


@pytest.mark.parametrize("document", [BOMB, EXTERNAL, "<ACES><App>", "<ACES>" + "<App>" + "<a>" * 200])
def test_hostile_xml_is_refused(database: Database, tmp_path: Path, document: str) -> None:
    """Entities, document types, files cut short and endless nesting end with a message, and nothing is imported."""
    folder = write_aces(tmp_path / "aces", document)
    with pytest.raises(CatalogueUnreadable):
        import_catalogue(database, folder)
    assert CatalogueStore(database).current("default") is None


def test_the_demo_catalogue_imports_without_a_problem(database: Database) -> None:
    """It is small, whole, and has every side apart."""
    report = import_catalogue(database, demo.PATH)
    assert not report.problems
    assert report.kept["variants"] == 8
    assert report.kept["fitments"] > 300


@pytest.mark.chaos
def test_the_real_catalogue_imports_whole(real: object) -> None:
    """Every row is kept, repeated or refused; nothing is lost on the way."""
    row = real.view.row  # type: ignore[attr-defined]
    assert row.counts["articles"] == 114_502
    assert row.counts["models"] == 5_171
    known = {variant for variant, _ in real.fitments} & real.view.vehicles.variant_by_id.keys()  # type: ignore[attr-defined]
    assert len(known) > 1_300
