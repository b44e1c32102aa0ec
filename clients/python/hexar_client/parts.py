"""Parts: building a damage report, and typing its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Literal, TypeAlias, Unpack, cast

from hexar.v1 import parts_pb2 as pb
from hexar.v1 import parts_pb2_grpc
from hexar_client._rpc.calls import LONG_TIMEOUT, AsyncCalls, Calls
from hexar_client._rpc.fields import ArticleFields, MatchFields, ReportFields
from hexar_client._rpc.stream import AsyncStream, Event, Restarted, Stream

#: One event of a discovery: ``event.kind`` says what ``event.body`` is.
DiscoverEvents: TypeAlias = (
    Event[Literal["vehicle"], pb.VehicleResolution]
    | Event[Literal["component"], pb.ComponentResult]
    | Event[Literal["propagation"], pb.Propagation]
    | Event[Literal["summary"], pb.DiscoverSummary]
    | Event[Literal["found"], pb.DiscoverFound]
    | Event[Literal["restarted"], Restarted]
)
#: What these events hold.
DiscoverBody: TypeAlias = (
    pb.VehicleResolution | pb.ComponentResult | pb.Propagation | pb.DiscoverSummary | pb.DiscoverFound | Restarted
)

SEVERITIES = {"minor": pb.SEVERITY_MINOR, "moderate": pb.SEVERITY_MODERATE, "severe": pb.SEVERITY_SEVERE}


def damage(text: str) -> pb.DamagedComponent:
    """A component of a report from "front bumper", "front bumper:severe" or "front bumper:0.8".

    Raises ValueError where the degree is neither a word of :data:`SEVERITIES` nor a number.
    """
    name, colon, degree = text.rpartition(":")
    if not colon:
        return pb.DamagedComponent(name=text.strip())
    degree = degree.strip().lower()
    if degree in SEVERITIES:
        return pb.DamagedComponent(name=name.strip(), severity=SEVERITIES[degree])
    try:
        return pb.DamagedComponent(name=name.strip(), severity_score=float(degree))
    except ValueError:
        raise ValueError(f"{degree!r} is not minor, moderate, severe or a number from 0 to 1") from None


def report(
    damages: Iterable[str | pb.DamagedComponent], vehicle: pb.VehicleQuery, **fields: Unpack[ReportFields]
) -> pb.DiscoverRequest:
    """A damage report; ``fields`` are those of DiscoverRequest (catalogue, max_parts, cache_policy, skip_propagation)."""
    components = [damage(entry) if isinstance(entry, str) else entry for entry in damages]
    return pb.DiscoverRequest(vehicle=vehicle, components=components, **fields)


class Parts:
    """PartsService for blocking code."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = parts_pb2_grpc.PartsServiceStub(client.channel)

    def discover(
        self, request: pb.DiscoverRequest, timeout: float | None = None, *, restart: bool = False
    ) -> Stream[DiscoverEvents]:
        """The parts for one report; iterate the result for typed events. ``restart`` as for Client.query."""
        return self._client.stream(self._stub.Discover, request, timeout, restart)

    def discover_batch(
        self, reports: Iterable[pb.DiscoverRequest], timeout: float | None = None
    ) -> Iterator[pb.DiscoverBatchEvent]:
        """The parts for several reports; each event says by ``report_index`` whose it is."""
        request = pb.DiscoverBatchRequest(reports=list(reports))
        for event in self._client.stream(self._stub.DiscoverBatch, request, self._client.seconds(timeout, LONG_TIMEOUT)):
            yield cast("pb.DiscoverBatchEvent", event.message)

    def match(self, names: Iterable[str], **fields: Unpack[MatchFields]) -> pb.MatchPartsResponse:
        """Ranked articles for free-text names; ``fields`` are those of MatchPartsRequest."""
        request = pb.MatchPartsRequest(names=list(names), **fields)
        return cast("pb.MatchPartsResponse", self._client.unary(self._stub.MatchParts, request))

    def resolve(self, vehicle: pb.VehicleQuery, catalogue: str = "") -> pb.VehicleResolution:
        """What a vehicle is taken for."""
        request = pb.ResolveVehicleRequest(catalogue=catalogue, vehicle=vehicle)
        response = cast("pb.ResolveVehicleResponse", self._client.unary(self._stub.ResolveVehicle, request))
        return response.resolution

    def warm_up(self, vehicle: pb.VehicleQuery, catalogue: str = "", *, background: bool = False) -> pb.WarmUpVehicleResponse:
        """Read a vehicle's listings into the server's memory."""
        request = pb.WarmUpVehicleRequest(catalogue=catalogue, vehicle=vehicle, background=background)
        return cast("pb.WarmUpVehicleResponse", self._client.unary(self._stub.WarmUpVehicle, request))

    def catalogues(self) -> Iterator[pb.Catalogue]:
        """All catalogues by name, page by page."""
        request = pb.ListCataloguesRequest()
        return self._client.pages(self._stub.ListCatalogues, request, lambda page: page.catalogues)

    def manufacturers(self, catalogue: str = "") -> Iterator[pb.Manufacturer]:
        """All makes of a catalogue, page by page. NotFound."""
        request = pb.ListManufacturersRequest(catalogue=catalogue)
        return self._client.pages(self._stub.ListManufacturers, request, lambda page: page.manufacturers)

    def models(self, manufacturer_id: str, *, catalogue: str = "", year: int = 0) -> Iterator[pb.Model]:
        """All models of a make, those built in ``year`` where it is given, page by page. NotFound."""
        request = pb.ListModelsRequest(catalogue=catalogue, manufacturer_id=manufacturer_id, year=year)
        return self._client.pages(self._stub.ListModels, request, lambda page: page.models)

    def variants(self, model_id: str, *, catalogue: str = "", year: int = 0) -> Iterator[pb.Variant]:
        """All variants of a model, those built in ``year`` where it is given, page by page. NotFound."""
        request = pb.ListVariantsRequest(catalogue=catalogue, model_id=model_id, year=year)
        return self._client.pages(self._stub.ListVariants, request, lambda page: page.variants)

    def categories(self, variant_id: str, *, catalogue: str = "") -> Iterator[pb.CategoryTree]:
        """All categories in which a variant has parts, page by page. NotFound."""
        request = pb.ListCategoriesRequest(catalogue=catalogue, variant_id=variant_id)
        return self._client.pages(self._stub.ListCategories, request, lambda page: page.categories)

    def articles(self, **filters: Unpack[ArticleFields]) -> Iterator[pb.Article]:
        """All articles that the filters of ListArticlesRequest leave, page by page."""
        request = pb.ListArticlesRequest(**filters)
        return self._client.pages(self._stub.ListArticles, request, lambda page: page.articles)


class AsyncParts:
    """PartsService on the event loop."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = parts_pb2_grpc.PartsServiceStub(client.channel)

    def discover(
        self, request: pb.DiscoverRequest, timeout: float | None = None, *, restart: bool = False
    ) -> AsyncStream[DiscoverEvents]:
        """The parts for one report; iterate the result for typed events. ``restart`` as for Client.query."""
        return self._client.stream(self._stub.Discover, request, timeout, restart)

    async def discover_batch(
        self, reports: Iterable[pb.DiscoverRequest], timeout: float | None = None
    ) -> AsyncIterator[pb.DiscoverBatchEvent]:
        """The parts for several reports; each event says by ``report_index`` whose it is."""
        request = pb.DiscoverBatchRequest(reports=list(reports))
        async for event in self._client.stream(self._stub.DiscoverBatch, request, self._client.seconds(timeout, LONG_TIMEOUT)):
            yield cast("pb.DiscoverBatchEvent", event.message)

    async def match(self, names: Iterable[str], **fields: Unpack[MatchFields]) -> pb.MatchPartsResponse:
        """Ranked articles for free-text names; ``fields`` are those of MatchPartsRequest."""
        request = pb.MatchPartsRequest(names=list(names), **fields)
        return cast("pb.MatchPartsResponse", await self._client.unary(self._stub.MatchParts, request))

    async def resolve(self, vehicle: pb.VehicleQuery, catalogue: str = "") -> pb.VehicleResolution:
        """What a vehicle is taken for."""
        request = pb.ResolveVehicleRequest(catalogue=catalogue, vehicle=vehicle)
        response = cast("pb.ResolveVehicleResponse", await self._client.unary(self._stub.ResolveVehicle, request))
        return response.resolution

    async def warm_up(
        self, vehicle: pb.VehicleQuery, catalogue: str = "", *, background: bool = False
    ) -> pb.WarmUpVehicleResponse:
        """Read a vehicle's listings into the server's memory."""
        request = pb.WarmUpVehicleRequest(catalogue=catalogue, vehicle=vehicle, background=background)
        return cast("pb.WarmUpVehicleResponse", await self._client.unary(self._stub.WarmUpVehicle, request))

    def catalogues(self) -> AsyncIterator[pb.Catalogue]:
        """All catalogues by name, page by page."""
        request = pb.ListCataloguesRequest()
        return self._client.pages(self._stub.ListCatalogues, request, lambda page: page.catalogues)

    def manufacturers(self, catalogue: str = "") -> AsyncIterator[pb.Manufacturer]:
        """All makes of a catalogue, page by page. NotFound."""
        request = pb.ListManufacturersRequest(catalogue=catalogue)
        return self._client.pages(self._stub.ListManufacturers, request, lambda page: page.manufacturers)

    def models(self, manufacturer_id: str, *, catalogue: str = "", year: int = 0) -> AsyncIterator[pb.Model]:
        """All models of a make, those built in ``year`` where it is given, page by page. NotFound."""
        request = pb.ListModelsRequest(catalogue=catalogue, manufacturer_id=manufacturer_id, year=year)
        return self._client.pages(self._stub.ListModels, request, lambda page: page.models)

    def variants(self, model_id: str, *, catalogue: str = "", year: int = 0) -> AsyncIterator[pb.Variant]:
        """All variants of a model, those built in ``year`` where it is given, page by page. NotFound."""
        request = pb.ListVariantsRequest(catalogue=catalogue, model_id=model_id, year=year)
        return self._client.pages(self._stub.ListVariants, request, lambda page: page.variants)

    def categories(self, variant_id: str, *, catalogue: str = "") -> AsyncIterator[pb.CategoryTree]:
        """All categories in which a variant has parts, page by page. NotFound."""
        request = pb.ListCategoriesRequest(catalogue=catalogue, variant_id=variant_id)
        return self._client.pages(self._stub.ListCategories, request, lambda page: page.categories)

    def articles(self, **filters: Unpack[ArticleFields]) -> AsyncIterator[pb.Article]:
        """All articles that the filters of ListArticlesRequest leave, page by page."""
        request = pb.ListArticlesRequest(**filters)
        return self._client.pages(self._stub.ListArticles, request, lambda page: page.articles)
