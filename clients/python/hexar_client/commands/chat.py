"""``hexar chat``: ask about a portfolio and read the answer as it is written."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from hexar.v1 import chat_pb2 as pb
from hexar.v1 import common_pb2
from hexar_client._rpc.stream import Restarted
from hexar_client.chat import ChatBody, ChatStream
from hexar_client.commands import common, output

_CACHE = {
    pb.CACHE_STATUS_EXACT: "kept answer",
    pb.CACHE_STATUS_SEMANTIC: "kept answer of a similar question",
    pb.CACHE_STATUS_JOINED: "shared answer",
}
_MODE = {
    pb.ANSWER_MODE_EXTRACTIVE: "quoted from the documents",
    pb.ANSWER_MODE_AI_UNAVAILABLE: "ai: unavailable, quoted from the documents",
    pb.ANSWER_MODE_FALLBACK_MODEL: "fallback model",
    pb.ANSWER_MODE_NOTHING_FOUND: "nothing found",
}


@output.answers
def chat(
    context: typer.Context,
    portfolio: Annotated[str, typer.Argument(help="The portfolio to ask about.")],
    message: Annotated[str, typer.Argument(help="The question. Without one, a conversation is held.")] = "",
    conversation: Annotated[str, typer.Option(help="Continue this conversation.")] = "",
    agent: Annotated[str, typer.Option(help="The agent that answers.")] = "",
    language: Annotated[str, typer.Option(help="Language of the answer: en or es.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not read caches.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds that an answer may take.")] = 120.0,
) -> None:
    """Ask about a portfolio's documents."""
    policy = common_pb2.CACHE_POLICY_REFRESH if fresh else common_pb2.CACHE_POLICY_DEFAULT
    with common.client(context) as client:
        while True:
            asked = message or _prompt()
            if not asked:
                return
            stream = client.chat(
                portfolio,
                asked,
                timeout=timeout,
                conversation_id=conversation,
                agent_id=agent,
                language=language,
                cache_policy=policy,
                # Lines of JSON are read by programs, which would have the text twice.
                restart=not output.is_json(context),
            )
            if output.is_json(context):
                for event in stream:
                    output.print_event(event)
            else:
                conversation = _show(stream) or conversation
            if message:
                return


def _prompt() -> str:
    try:
        return str(typer.prompt("you", default="", show_default=False, prompt_suffix="> ")).strip()
    except typer.Abort:
        return ""


def _show(stream: ChatStream) -> str:
    """Print an answer while it comes; its conversation's id."""
    printer = Printer(output.console())
    for event in stream:
        printer.show(event.body)
    return printer.conversation


class Printer:
    """Prints the events of an answer for a person."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._cited: dict[int, pb.ChatCitation] = {}
        #: The conversation that the answer belongs to, once it has begun.
        self.conversation = ""

    def show(self, body: ChatBody) -> None:
        """Print one event."""
        if isinstance(body, pb.ChatStarted):
            self.conversation = body.conversation_id
        elif isinstance(body, pb.ChatToken):
            self._console.print(body.text, end="", markup=False, soft_wrap=True)
        elif isinstance(body, pb.ChatCitation):
            self._cited.setdefault(body.marker, body)
        elif isinstance(body, pb.ChatSegmentReset):
            self._cited.clear()
            self._console.print(f"\n[yellow]-- {body.reason}; {body.model} starts again --[/yellow]")
        elif isinstance(body, Restarted):
            self._cited.clear()
            self._console.print("\n[yellow]-- the connection was lost; the answer starts again --[/yellow]")
        else:
            self._console.print()
            _footer(self._console, body, self._cited)


def _footer(console: Console, done: pb.ChatDone, cited: dict[int, pb.ChatCitation]) -> None:
    for marker, each in sorted(cited.items()):
        place = f"{each.document_id} v{each.document_version}, characters {each.start}–{each.end}"
        console.print(f"  [{marker}] {each.document_title} ({place})", style="cyan", markup=False)
    notes = [text for text in (_CACHE.get(done.cache_status, ""), _MODE.get(done.mode, "")) if text]
    if done.usage.model:
        notes.append(f"{done.usage.model}, {done.usage.prompt_tokens} + {done.usage.completion_tokens} tokens")
    notes.append(f"{done.timings.total_micros / 1000:.0f} ms when it was made")
    console.print("  " + " · ".join(notes), style="dim")
