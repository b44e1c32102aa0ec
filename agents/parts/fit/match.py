"""MatchParts and the list RPCs: free-text names to ranked articles, and pages of the catalogue. Blocking: for a pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, or_

from hexar.agents.parts.catalogue import tables
from hexar.agents.parts.catalogue.records import Steering
from hexar.agents.parts.catalogue.view import CatalogueView, NamedRow
from hexar.agents.parts.components.matching import BROADER, MIN_SCORE, ComponentMatch
from hexar.agents.parts.components.phrases import ComponentPhrase
from hexar.agents.parts.fit.fitting import Asked, choose
from hexar.agents.parts.messages import contract
from hexar.agents.parts.messages.validation import DEFAULT_MATCHES
from hexar.agents.parts.vehicles.rows import Resolution
from hexar.core.errors import InvalidArgument, NotFound
from hexar.core.paging import PageTokens
from hexar.v1 import common_pb2
from hexar.v1 import parts_pb2 as pb

#: Articles read for one name without a vehicle, before they are ranked and cut.
MAX_READ = 500


def match_names(
    view: CatalogueView, request: pb.MatchPartsRequest, names: Sequence[str], found: Resolution | None
) -> list[pb.NameMatches]:
    """One entry a name; with a vehicle only what is listed for it."""
    limit = request.limit or DEFAULT_MATCHES
    return [_match_name(view, request, name, found, limit) for name in names]


def _match_name(
    view: CatalogueView, request: pb.MatchPartsRequest, name: str, found: Resolution | None, limit: int
) -> pb.NameMatches:
    matcher = view.components
    reading = matcher.read(name)
    matches = matcher.match(reading, limit, request.min_score or MIN_SCORE)
    unknown = ""
    if not matches and not request.min_score:
        matches, unknown = matcher.broader(reading, limit)
    result = pb.NameMatches(name=name, reading=contract.component_reading(reading))
    if not matches:
        result.status = pb.COMPONENT_STATUS_NOT_UNDERSTOOD
        result.reason = f"no product group of the catalogue resembles {name!r}"
        result.suggestions.extend(matcher.suggestions(reading))
        return result
    result.groups.extend(contract.group_matches(((match.target, match.score) for match in matches), view)[:limit])
    if found is not None and not found.variants:
        result.status = pb.COMPONENT_STATUS_NO_VEHICLE
        result.reason = "no variant of the vehicle was found in the catalogue"
        return result
    best = matches[0]
    articles, excluded = (
        _of_vehicle(view, request, best, reading, found, limit) if found else _of_all(view, best, reading, limit)
    )
    instead = matcher.kind_of(best.target) if not articles and not excluded else None
    if instead is not None:
        wider = ComponentMatch(instead, round(best.score * BROADER, 6))
        articles, excluded = (
            _of_vehicle(view, request, wider, reading, found, limit) if found else _of_all(view, wider, reading, limit)
        )
    result.articles.extend(articles)
    if articles:
        result.status = pb.COMPONENT_STATUS_FOUND
        result.reason = f"read as {best.target.label}"
        if instead is not None:
            result.reason += f", which the catalogue does not list; shown are parts of {instead.label}, of which it is a kind"
    elif excluded:
        result.status = pb.COMPONENT_STATUS_OTHER_SIDE_ONLY
        result.reason = f"every {best.target.label} listed is for another side or position"
    else:
        result.status = pb.COMPONENT_STATUS_NOT_LISTED
        result.reason = f"the catalogue lists no {best.target.label}" + (" for this vehicle" if found else "")
    if unknown:
        result.reason += f"; {unknown!r} is not known and was left out"
    return result


def _of_vehicle(
    view: CatalogueView,
    request: pb.MatchPartsRequest,
    match: ComponentMatch,
    reading: ComponentPhrase,
    found: Resolution,
    limit: int,
) -> tuple[list[pb.ArticleMatch], int]:
    variants = tuple(entry.variant.key for entry in found.variants if entry.variant is not None)
    rows, _, _ = view.listed(variants, match.target.groups) if match.target.groups else ([], 0, 0)
    asked = Asked(
        variants, found.confidence, match.score, reading.side, reading.position, request.vehicle.year,
        Steering(request.vehicle.steering_side),
    )  # fmt: skip
    fits = choose(rows, match.target, asked)
    best = fits.fits[:limit]
    whole = view.articles([fit.listed.article_key for fit in best])
    return [
        pb.ArticleMatch(
            article=contract.article(whole[fit.listed.article_key]),
            score=fit.confidence,
            group=contract.group(view.groups[fit.listed.group_key]),
            category=contract.category(view.categories[fit.listed.category_key]),
            variant_ids=[view.vehicles.variants[key].id for key in fit.variants],
        )
        for fit in best
        if fit.listed.article_key in whole
    ], fits.excluded


def _of_all(
    view: CatalogueView, match: ComponentMatch, reading: ComponentPhrase, limit: int
) -> tuple[list[pb.ArticleMatch], int]:
    """Articles of the whole catalogue. Every variant counts as asked for, so coverage does not take part."""
    target = match.target
    if not target.groups:
        return [], 0
    listed = view.store.listed_anywhere(view.row.generation, sorted(target.names), target.groups, MAX_READ)
    asked = Asked((0,), 1.0, match.score, reading.side, reading.position)
    fits = choose(listed, target, asked)
    best = fits.fits[:limit]
    whole = view.articles([fit.listed.article_key for fit in best])
    return [
        pb.ArticleMatch(
            article=contract.article(whole[fit.listed.article_key]),
            score=fit.confidence,
            group=contract.group(view.groups[fit.listed.group_key]),
            category=contract.category(view.categories[fit.listed.category_key]),
        )
        for fit in best
        if fit.listed.article_key in whole
    ], fits.excluded


# -- pages ------------------------------------------------------------------------------------------------------------


_BY_NAME = PageTokens("parts by name", int, str, str)
_BY_ID = PageTokens("parts by id", int, str)


def _position(view: CatalogueView, page: common_pb2.PageRequest, tokens: PageTokens) -> tuple[str, ...] | None:
    """Where a page begins; a token of another import is refused, since the rows may have moved."""
    position = tokens.decode(page.token)
    if position is None:
        return None
    if position[0] != view.row.generation:
        raise InvalidArgument("page.token", "the catalogue was imported anew; begin with the first page")
    return position[1:]


def _named_page(
    view: CatalogueView, table: Table, page: common_pb2.PageRequest, size: int, conditions: Sequence[ColumnElement[bool]]
) -> tuple[list[Any], common_pb2.PageInfo]:
    name, identifier = _position(view, page, _BY_NAME) or ("", "")
    rows, total = view.store.page(view.row.generation, table, (name, identifier), size + 1, conditions)
    info = common_pb2.PageInfo(total=total, counted=True)
    if len(rows) > size:
        rows = rows[:size]
        info.next_token = _BY_NAME.encode(view.row.generation, rows[-1].name, rows[-1].id)
    return rows, info


def _in_year(table: Table, year: int) -> list[ColumnElement[bool]]:
    if not year:
        return []
    return [table.c.year_from <= year, or_(table.c.year_to == 0, table.c.year_to >= year)]


def manufacturers(view: CatalogueView, request: pb.ListManufacturersRequest, size: int) -> pb.ListManufacturersResponse:
    """A page of manufacturers by name."""
    rows, info = _named_page(view, tables.manufacturers, request.page, size, ())
    found = [pb.Manufacturer(id=row.id, name=row.name) for row in rows]
    return pb.ListManufacturersResponse(manufacturers=found, page=info, catalogue=contract.catalogue_ref(view.row))


def models(view: CatalogueView, request: pb.ListModelsRequest, size: int) -> pb.ListModelsResponse:
    """A page of models by name."""
    table = tables.models
    conditions = _in_year(table, request.year)
    if request.manufacturer_id:
        maker = view.manufacturer_by_id.get(request.manufacturer_id)
        if maker is None:
            raise NotFound("manufacturer", request.manufacturer_id)
        conditions.append(table.c.manufacturer_key == maker.key)
    rows, info = _named_page(view, table, request.page, size, conditions)
    found = [contract.model(view.vehicles.models[row.key], view) for row in rows]
    return pb.ListModelsResponse(models=found, page=info, catalogue=contract.catalogue_ref(view.row))


def variants(view: CatalogueView, request: pb.ListVariantsRequest, size: int) -> pb.ListVariantsResponse:
    """A page of variants by name."""
    table = tables.variants
    conditions = _in_year(table, request.year)
    if request.model_id:
        model = view.model_by_id.get(request.model_id)
        if model is None:
            raise NotFound("model", request.model_id)
        conditions.append(table.c.model_key == model.key)
    rows, info = _named_page(view, table, request.page, size, conditions)
    found = [contract.variant(view.vehicles.variants[row.key], view) for row in rows]
    return pb.ListVariantsResponse(variants=found, page=info, catalogue=contract.catalogue_ref(view.row))


def categories(view: CatalogueView, request: pb.ListCategoriesRequest, size: int) -> pb.ListCategoriesResponse:
    """A page of categories by name, each with its groups and how many articles they list."""
    variant_key = _variant_key(view, request.variant_id)
    by_category: dict[int, list[tuple[NamedRow, int]]] = {}
    for category_key, group_key, count in view.store.tree(view.row.generation, variant_key):
        by_category.setdefault(category_key, []).append((view.groups[group_key], count))
    ordered = sorted((view.categories[key] for key in by_category), key=lambda row: (row.name, row.id))
    name, identifier = _position(view, request.page, _BY_NAME) or ("", "")
    rest = [row for row in ordered if not identifier or (row.name, row.id) > (name, identifier)]
    info = common_pb2.PageInfo(total=len(ordered), counted=True)
    if len(rest) > size:
        rest = rest[:size]
        info.next_token = _BY_NAME.encode(view.row.generation, rest[-1].name, rest[-1].id)
    trees = [
        pb.CategoryTree(
            category=contract.category(row),
            groups=[
                pb.ProductGroupCount(group=contract.group(leaf), articles=count)
                for leaf, count in sorted(by_category[row.key], key=lambda entry: (entry[0].name, entry[0].id))
            ],
        )
        for row in rest
    ]
    return pb.ListCategoriesResponse(categories=trees, page=info, catalogue=contract.catalogue_ref(view.row))


def articles(view: CatalogueView, request: pb.ListArticlesRequest, size: int) -> pb.ListArticlesResponse:
    """A page of articles by id."""
    if request.category_id and not request.variant_id:
        raise InvalidArgument("category_id", "needs variant_id")
    (after,) = _position(view, request.page, _BY_ID) or ("",)
    category = view.category_by_id.get(request.category_id) if request.category_id else None
    group = view.group_by_id.get(request.product_group_id) if request.product_group_id else None
    if request.category_id and category is None:
        raise NotFound("category", request.category_id)
    if request.product_group_id and group is None:
        raise NotFound("product group", request.product_group_id)
    rows, total = view.store.article_page(
        view.row.generation,
        after,
        size + 1,
        variant_key=_variant_key(view, request.variant_id),
        category_key=category.key if category else None,
        group_key=group.key if group else None,
    )
    info = common_pb2.PageInfo(total=total, counted=True)
    if len(rows) > size:
        rows = rows[:size]
        info.next_token = _BY_ID.encode(view.row.generation, rows[-1].id)
    found = [contract.article(row) for row in rows]
    return pb.ListArticlesResponse(articles=found, page=info, catalogue=contract.catalogue_ref(view.row))


def warm(view: CatalogueView, found: Resolution) -> tuple[int, int]:
    """Read everything that is listed for a vehicle into memory; returns (pairs, different articles)."""
    pairs = 0
    seen: set[int] = set()
    for match in found.variants:
        if match.variant is not None:
            groups = view.store.groups_of_variant(view.row.generation, match.variant.key)
            rows, _, _ = view.listed((match.variant.key,), groups)
            pairs += len(groups)
            seen.update(row.article_key for row in rows)
    return pairs, len(seen)


def _variant_key(view: CatalogueView, variant_id: str) -> int | None:
    if not variant_id:
        return None
    variant = view.vehicles.variant_by_id.get(variant_id)
    if variant is None:
        raise NotFound("variant", variant_id)
    return variant.key
