"""``hexar portfolio``: add, list, remove and search documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hexar.v1 import common_pb2
from hexar.v1 import portfolio_pb2 as pb
from hexar_client.chat import Upload, uploads
from hexar_client.commands import common

app = typer.Typer(no_args_is_help=True, help="Keep and search documents.")

_OUTCOME = {
    pb.DOCUMENT_OUTCOME_ADDED: "added",
    pb.DOCUMENT_OUTCOME_REPLACED: "replaced",
    pb.DOCUMENT_OUTCOME_UNCHANGED: "unchanged",
    pb.DOCUMENT_OUTCOME_REJECTED: "rejected",
}
Name = Annotated[str, typer.Argument(help="The portfolio.")]


@app.command()
def add(
    context: typer.Context,
    portfolio: Name,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files and folders: Markdown, text, HTML, PDF.")],
    timeout: Annotated[float, typer.Option(help="Seconds that the upload may take.")] = 300.0,
) -> None:
    """Upload documents; the portfolio is made where it does not exist."""
    documents = list(uploads(paths))
    total = sum(document.source.stat().st_size for document in documents if isinstance(document.source, Path))
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with common.client(context) as client, Progress(*columns, transient=True) as progress:
        task = progress.add_task("uploading", total=total or None)

        def sent(document: Upload, size: int) -> None:
            progress.update(task, advance=size, description=document.document_id[-40:])

        summary = client.portfolios.add(portfolio, documents, timeout=timeout, sent=sent)
    console = Console(highlight=False)
    for result in summary.results:
        if result.outcome == pb.DOCUMENT_OUTCOME_REJECTED:
            console.print(f"rejected {result.document_id}: {result.reason}", style="yellow", markup=False)
    counts = f"{summary.added} added, {summary.replaced} replaced, {summary.unchanged} unchanged, {summary.rejected} rejected"
    note = "; indexed by words only: no embeddings" if summary.lexical_only else ""
    console.print(f"{summary.portfolio_id}: {counts}, version {summary.version}{note}")
    if summary.rejected and summary.rejected == len(summary.results):
        raise typer.Exit(1)


@app.command("list")
def list_rows(
    context: typer.Context,
    portfolio: Annotated[str, typer.Argument(help="List this portfolio's documents; without one, the portfolios.")] = "",
) -> None:
    """List portfolios, or the documents of one."""
    table = Table(pad_edge=False)
    with common.client(context) as client:
        token = ""
        while True:
            page = common_pb2.PageRequest(size=1000, token=token)
            if portfolio:
                request = pb.ListDocumentsRequest(portfolio_id=portfolio, page=page)
                response = client.portfolios.call("ListDocuments", request)
                rows = [
                    (row.document_id, row.title, str(row.version), row.language, str(row.chunk_count))
                    for row in response.documents
                ]
                names = ("document", "title", "version", "language", "passages")
            else:
                response = client.portfolios.call("ListPortfolios", pb.ListPortfoliosRequest(page=page))
                rows = [
                    (row.portfolio_id, row.title, str(row.version), str(row.document_count), str(row.chunk_count))
                    for row in response.portfolios
                ]
                names = ("portfolio", "title", "version", "documents", "passages")
            if not table.columns:
                for name in names:
                    table.add_column(name, overflow="fold")
            for row in rows:
                table.add_row(*row)
            token = response.page.next_token
            if not token:
                break
    Console().print(table)


@app.command()
def remove(
    context: typer.Context,
    portfolio: Name,
    document: Annotated[str, typer.Argument(help="The document; without one, the whole portfolio.")] = "",
) -> None:
    """Remove a document, or a whole portfolio."""
    with common.client(context) as client:
        if document:
            request = pb.DeleteDocumentRequest(portfolio_id=portfolio, document_id=document)
            common.print_message(client.portfolios.call("DeleteDocument", request))
        else:
            common.print_message(client.portfolios.call("DeletePortfolio", pb.DeletePortfolioRequest(portfolio_id=portfolio)))


@app.command()
def search(
    context: typer.Context,
    portfolio: Name,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(help="How many passages.")] = 5,
    json_output: Annotated[bool, typer.Option("--json", help="Print the response as JSON.")] = False,
) -> None:
    """Find passages."""
    with common.client(context) as client:
        response = client.portfolios.search(portfolio, query, top_k=limit)
    if json_output:
        common.print_message(response)
        return
    console = Console(highlight=False)
    for place, passage in enumerate(response.passages, 1):
        where = " › ".join((passage.document_title, *passage.headings))
        console.print(f"{place}. {where}  [{passage.document_id} {passage.start}–{passage.end}]", style="cyan", markup=False)
        console.print("   " + " ".join(passage.text.split())[:300], markup=False)
