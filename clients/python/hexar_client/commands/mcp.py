"""``hexar mcp``: Hexar's answers as tools of the Model Context Protocol, over standard input and output.

Each tool waits for the whole answer and gives a typed result (structured output); what was not found stays empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from importlib.metadata import version
from typing import Any, ParamSpec, TypeVar

import typer

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from pydantic import BaseModel
except ImportError:
    typer.echo("hexar: this command needs the mcp package: pip install 'hexar-client[cli,mcp]'", err=True)
    raise SystemExit(2) from None

from hexar.v1 import common_pb2, parts_pb2
from hexar_client.chat import text_of
from hexar_client.client import AsyncClient
from hexar_client.commands import common
from hexar_client.errors import HexarError
from hexar_client.gear import Ranking
from hexar_client.legal import Document, draft_request
from hexar_client.market import analysis
from hexar_client.parts import report

P = ParamSpec("P")
T = TypeVar("T")


class Price(BaseModel):
    """An amount of a currency (ISO 4217)."""

    amount: float
    currency: str


class ShopOffer(BaseModel):
    """What one shop asks for a product."""

    vendor: str
    price: Price | None
    url: str


class Product(BaseModel):
    """A product with its offers; ``score`` is that of the ranking, higher is better."""

    name: str
    brand: str
    category: str
    score: float
    offers: list[ShopOffer]


class Products(BaseModel):
    """The answer to a query, the best first. ``partial``: a shop has not answered; ``missing`` names those."""

    products: list[Product]
    partial: bool
    missing: list[str]


class Citation(BaseModel):
    """Where a marker of an answer's text comes from: characters ``start`` to ``end`` of a document."""

    marker: int
    document: str
    title: str
    start: int
    end: int


class Answer(BaseModel):
    """An answer from documents, with what it cites; ``conversation`` goes on with it."""

    text: str
    citations: list[Citation]
    conversation: str


class Passage(BaseModel):
    """A piece of a document that a search found."""

    document: str
    title: str
    text: str


class Passages(BaseModel):
    """What a search found, the best first."""

    passages: list[Passage]


class Part(BaseModel):
    """An article that fits; ``confidence`` is from 0 to 1."""

    component: str
    name: str
    brand: str
    number: str
    confidence: float


class Parts(BaseModel):
    """The parts for a damage report; ``not_found`` are components without any."""

    vehicle: list[str]
    parts: list[Part]
    not_found: list[str]


class Figures(BaseModel):
    """An analysis: the answer in words, its figures as rows, and advice with the ids of figures that it rests on."""

    answer: str
    figures: list[dict[str, Any]]
    advice: list[str]
    missing: list[str]


class Draft(BaseModel):
    """A legal document as Markdown; ``open_fields`` are still to be filled in."""

    markdown: str
    valid: bool
    open_fields: list[str]
    draft_id: str


def _told(tool: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """A tool whose errors are texts for who called it."""

    @wraps(tool)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await tool(*args, **kwargs)
        except HexarError as error:
            raise ToolError(error.message) from None
        except ValueError as error:
            raise ToolError(str(error)) from None

    return run


def _price(money: common_pb2.Money) -> Price:
    return Price(amount=money.micros / 1e6, currency=money.currency_code)


class Tools:
    """The tools, over one client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def query(self, text: str, limit: int = 10) -> Products:
        """Find products of all configured shops by a request in words, such as "beginner snowboard under $400"."""
        ranking = Ranking()
        async for event in self._client.query(text, limit=limit, restart=True):
            ranking.apply(event)
        found = [
            Product(
                name=product.name,
                brand=product.brand,
                category=product.category,
                score=ranking.rank(product.product_id).score,
                offers=[
                    ShopOffer(
                        vendor=offer.vendor, price=_price(offer.price) if offer.HasField("price") else None, url=offer.url
                    )
                    for offer in product.offers
                ],
            )
            for product in ranking.products
        ]
        gone = [status.vendor for status in ranking.vendors.values() if status.failure]
        return Products(products=found, partial=ranking.completed is None or ranking.completed.partial, missing=gone)

    async def chat(self, portfolio: str, message: str, conversation: str = "") -> Answer:
        """Ask about the documents of a portfolio; the answer says which passages it rests on."""
        events = [event async for event in self._client.chat(portfolio, message, conversation_id=conversation)]
        cited = [
            Citation(marker=body.marker, document=body.document_id, title=body.document_title, start=body.start, end=body.end)
            for body in (event.body for event in events if event.kind == "citation")
        ]
        begun = [event.body.conversation_id for event in events if event.kind == "started"]
        return Answer(text=text_of(events), citations=cited, conversation=begun[0] if begun else conversation)

    async def search(self, portfolio: str, query: str, limit: int = 5) -> Passages:
        """Find passages of a portfolio's documents."""
        response = await self._client.portfolios.search(portfolio, query, top_k=limit)
        found = [Passage(document=row.document_id, title=row.document_title, text=row.text) for row in response.passages]
        return Passages(passages=found)

    async def discover(self, vehicle: str, damages: list[str], limit: int = 5) -> Parts:
        """Find the parts for a damaged vehicle; a damage is "front bumper" or "front bumper:severe"."""
        request = report(damages, parts_pb2.VehicleQuery(text=vehicle), max_parts=limit)
        names: list[str] = []
        components: list[parts_pb2.ComponentResult] = []
        async for event in self._client.parts.discover(request):
            if event.kind == "vehicle":
                names = [f"{row.model.name} {row.variant.name}" for row in event.body.variants]
            elif event.kind == "component":
                components.append(event.body)
            elif event.kind == "found":
                components.extend(event.body.components)
        found = [
            Part(
                component=component.name,
                name=part.article.name,
                brand=part.article.brand,
                number=part.article.part_number,
                confidence=part.confidence,
            )
            for component in components
            for part in component.parts
        ]
        return Parts(vehicle=names, parts=found, not_found=[row.name for row in components if not row.parts])

    async def analyze(self, table: str, question: str = "") -> Figures:
        """Analyse a sales table that the server knows, or answer a question about it."""
        made = await self._client.market.run(analysis(table, question))
        done = made.completed
        return Figures(
            answer=done.answer if done is not None else "",
            figures=made.rows(),
            advice=[f"{entry.text} [{', '.join(entry.figure_ids)}]" for entry in made.recommendations],
            missing=list(done.missing) if done is not None else [],
        )

    async def draft(
        self, document_type: str, jurisdiction: str, request: str = "", fields: dict[str, str] | None = None
    ) -> Draft:
        """Draft a legal document: "nda" for "US-CA", say, with its fields or what is wanted in words."""
        document = Document()
        async for event in self._client.legal.draft(draft_request(document_type, jurisdiction, fields, request=request)):
            document.apply(event)
        done = document.completed
        return Draft(
            markdown=document.markdown,
            valid=done is not None and done.valid,
            open_fields=list(done.open_fields) if done is not None else [],
            draft_id=done.draft_id if done is not None else "",
        )


def make_server(client: AsyncClient) -> MCPServer[Any]:
    """An MCP server whose tools ask ``client``, which it closes at its end."""

    @asynccontextmanager
    async def closing(_: Any) -> AsyncIterator[None]:
        async with client:
            yield

    server: MCPServer[Any] = MCPServer("hexar", version=version("hexar-client"), lifespan=closing, log_level="WARNING")
    tools = Tools(client)
    for tool in (tools.query, tools.chat, tools.search, tools.discover, tools.analyze, tools.draft):
        server.tool()(_told(tool))
    return server


def mcp(context: typer.Context) -> None:
    """Serve Hexar's answers as tools to an agent framework, over standard input and output."""
    target: common.Target = context.obj
    make_server(target.open_async()).run()
