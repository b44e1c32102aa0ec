"""``hexar portfolio``: add, list, remove and search documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hexar.v1 import portfolio_pb2 as pb
from hexar_client.chat import Upload, uploads
from hexar_client.commands import common, output

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Keep and search documents.")

Name = Annotated[str, typer.Argument(help="The portfolio.")]


@app.command()
@output.answers
def add(
    context: typer.Context,
    portfolio: Name,
    paths: Annotated[
        list[Path], typer.Argument(exists=True, help="Files and folders: Markdown, text, HTML, PDF, DOCX, XLSX, CSV.")
    ],
    timeout: Annotated[float, typer.Option(help="Seconds that the upload may take.")] = 300.0,
) -> None:
    """Upload documents; the portfolio is made where it does not exist. Exit code 3: some were rejected; 1: all."""
    documents = list(uploads(paths))
    total = sum(document.source.stat().st_size for document in documents if isinstance(document.source, Path))
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with common.client(context) as client, Progress(*columns, console=output.console(stderr=True), transient=True) as progress:
        task = progress.add_task("uploading", total=total or None)
        travelled = 0

        def sent(document: Upload, size: int) -> None:
            nonlocal travelled
            travelled += size
            progress.update(task, advance=size, description=document.document_id[-40:])
            if travelled >= total:
                progress.update(task, description="the server reads and indexes", total=None)

        summary = client.portfolios.add(portfolio, documents, timeout=timeout, sent=sent)
    if output.is_json(context):
        output.print_json(summary)
    else:
        _show_summary(summary)
    if summary.rejected:
        raise typer.Exit(1 if summary.rejected == len(summary.results) else common.REJECTED)


def _show_summary(summary: pb.UpsertDocumentsResponse) -> None:
    console = output.console()
    for result in summary.results:
        if result.outcome == pb.DOCUMENT_OUTCOME_REJECTED:
            console.print(f"rejected {result.document_id}: {result.reason}", style="yellow", markup=False)
    counts = f"{summary.added} added, {summary.replaced} replaced, {summary.unchanged} unchanged, {summary.rejected} rejected"
    note = "; indexed by words only: no embeddings" if summary.lexical_only else ""
    console.print(f"{summary.portfolio_id}: {counts}, version {summary.version}{note}", markup=False)


@app.command("list")
@output.answers
def list_rows(
    context: typer.Context,
    portfolio: Annotated[str, typer.Argument(help="List this portfolio's documents; without one, the portfolios.")] = "",
) -> None:
    """List portfolios, or the documents of one."""
    with common.client(context) as client:
        found: list[Any] = list(client.portfolios.documents(portfolio) if portfolio else client.portfolios.list())
    if output.is_json(context):
        output.print_lines(found)
        return
    table = Table(box=None, pad_edge=False)
    for name in (
        "document" if portfolio else "portfolio",
        "title",
        "version",
        *(("language",) if portfolio else ("documents",)),
        "passages",
    ):
        table.add_column(name, overflow="fold")
    for row in found:
        if portfolio:
            table.add_row(*map(Text, (row.document_id, row.title, str(row.version), row.language, str(row.chunk_count))))
        else:
            table.add_row(
                *map(Text, (row.portfolio_id, row.title, str(row.version), str(row.document_count), str(row.chunk_count)))
            )
    output.console().print(table if found else "there are none")


@app.command()
@output.answers
def remove(
    context: typer.Context,
    portfolio: Name,
    document: Annotated[str, typer.Argument(help="The document; without one, the whole portfolio.")] = "",
    yes: common.Yes = False,
) -> None:
    """Remove a document, or a whole portfolio."""
    what = f"document {document} of {portfolio}" if document else f"portfolio {portfolio} with all its documents"
    common.confirm(f"Remove {what}?", yes)
    with common.client(context) as client:
        if document:
            output.show(context, client.portfolios.delete_document(portfolio, document))
        else:
            output.show(context, client.portfolios.delete(portfolio))


@app.command()
@output.answers
def search(
    context: typer.Context,
    portfolio: Name,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(help="How many passages.")] = 5,
) -> None:
    """Find passages."""
    with common.client(context) as client:
        response = client.portfolios.search(portfolio, query, top_k=limit)
    if output.is_json(context):
        output.print_json(response)
        return
    console = output.console()
    if not response.passages:
        console.print("nothing was found", style="yellow")
    for place, passage in enumerate(response.passages, 1):
        where = " › ".join((passage.document_title, *passage.headings))
        console.print(f"{place}. {where}  [{passage.document_id} {passage.start}–{passage.end}]", style="cyan", markup=False)
        console.print("   " + " ".join(passage.text.split())[:300], markup=False)
