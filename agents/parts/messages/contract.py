"""From catalogue rows and resolutions to messages of the contract."""

from collections.abc import Iterable
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from hexar.agents.parts.catalogue.reading import ArticleRow, CatalogueRow
from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.catalogue.view import CatalogueView, NamedRow
from hexar.agents.parts.components.matching import Target
from hexar.agents.parts.components.phrases import ComponentPhrase
from hexar.agents.parts.vehicles.rows import ManufacturerRow, Match, ModelRow, Resolution, VariantRow
from hexar.agents.parts.vehicles.vin import Vin
from hexar.v1 import parts_pb2 as pb

#: Groups told for one component.
MAX_GROUPS = 10


def catalogue_ref(row: CatalogueRow) -> pb.CatalogueRef:
    return pb.CatalogueRef(name=row.name, version=row.version)


def catalogue(row: CatalogueRow) -> pb.Catalogue:
    """A catalogue with its counts."""
    imported = Timestamp()
    imported.FromMicroseconds(int(row.imported_at * 1e6))
    return pb.Catalogue(ref=catalogue_ref(row), imported_at=imported, **row.counts)


def manufacturer(row: ManufacturerRow) -> pb.Manufacturer:
    return pb.Manufacturer(id=row.id, name=row.name)


def model(row: ModelRow, view: CatalogueView) -> pb.Model:
    """A model with its manufacturer's id."""
    maker = view.vehicles.manufacturers[row.manufacturer_key]
    return pb.Model(id=row.id, name=row.name, manufacturer_id=maker.id, year_from=row.year_from, year_to=row.year_to)


def variant(row: VariantRow, view: CatalogueView) -> pb.Variant:
    """A variant with the ids that it hangs on."""
    return pb.Variant(
        id=row.id,
        name=row.name,
        model_id=view.vehicles.models[row.model_key].id,
        manufacturer_id=view.vehicles.manufacturers[row.manufacturer_key].id,
        year_from=row.year_from,
        year_to=row.year_to,
        engine_codes=row.engine_codes,
        fuel=row.fuel,
        capacity_cc=row.capacity_cc,
        power_kw=row.power_kw,
        cylinders=row.cylinders,
        body=row.body,
    )


def category(row: NamedRow) -> pb.Category:
    return pb.Category(id=row.id, name=row.name)


def group(row: NamedRow) -> pb.ProductGroup:
    return pb.ProductGroup(id=row.id, name=row.name)


def article(row: ArticleRow) -> pb.Article:
    """A whole article."""
    return pb.Article(
        id=row.id,
        name=row.name,
        part_number=row.part_number,
        brand=row.brand,
        supplier_id=row.supplier_id,
        products_id=row.products_id,
        image_url=row.image_url,
        details=[pb.ArticleDetail(name=name, value=value) for name, value in row.details],
        oem_numbers=[pb.OemNumber(make=make, number=number) for make, number in row.oem],
    )


def vin_reading(vin: Vin) -> pb.VinReading:
    return pb.VinReading(
        vin=vin.text,
        check_digit_valid=vin.check_digit_valid,
        check_digit_required=vin.check_digit_required,
        model_years=vin.model_years,
        make=vin.make,
        region=vin.region,
    )


def resolution(found: Resolution, vin: Vin | None, view: CatalogueView) -> pb.VehicleResolution:
    """What a vehicle was taken for."""
    if len(found.variants) == 1:
        status = pb.VEHICLE_STATUS_EXACT
    elif found.variants:
        status = pb.VEHICLE_STATUS_SEVERAL
    elif found.models:
        status = pb.VEHICLE_STATUS_NO_VARIANT
    else:
        status = pb.VEHICLE_STATUS_UNKNOWN
    return pb.VehicleResolution(
        status=status,
        confidence=found.confidence,
        manufacturer=manufacturer(found.manufacturer) if found.manufacturer else None,
        models=[model(row, view) for row in found.models],
        variants=[_vehicle_match(match, view) for match in found.variants],
        alternatives=[_vehicle_match(match, view) for match in found.alternatives],
        vin=vin_reading(vin) if vin else None,
        notes=found.notes,
        catalogue=catalogue_ref(view.row),
    )


def _vehicle_match(match: Match, view: CatalogueView) -> pb.VehicleMatch:
    return pb.VehicleMatch(
        variant=variant(match.variant, view) if match.variant else None,
        model=model(match.model, view),
        confidence=match.confidence,
        reasons=match.reasons,
    )


def side(value: Side) -> pb.Side:
    """A side as the contract's enum; the numbers are the same."""
    return cast("pb.Side", int(value))


def position(value: Position) -> pb.Position:
    """A position as the contract's enum; the numbers are the same."""
    return cast("pb.Position", int(value))


def component_reading(reading: ComponentPhrase) -> pb.ComponentReading:
    return pb.ComponentReading(normalized=reading.text, side=side(reading.side), position=position(reading.position))


def group_matches(targets: Iterable[tuple[Target, float]], view: CatalogueView) -> list[pb.GroupMatch]:
    """The groups of targets, best first."""
    found: list[pb.GroupMatch] = []
    for target, score in targets:
        for row in target.rows:
            if len(found) >= MAX_GROUPS:
                return found
            found.append(
                pb.GroupMatch(
                    category=category(view.categories[row.category_key]),
                    group=group(view.groups[row.group_key]),
                    article_name=row.article_name,
                    score=score,
                )
            )
    return found
