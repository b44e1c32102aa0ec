"""The one way from an answer to the screen: a table or text for people, JSON for programs, and nothing that steers a terminal.

What servers say may hold control sequences, from a shop's page or a document. :func:`visible` takes them out; consoles made by
:func:`console` do so with everything that is printed, and JSON is escaped.
"""

from __future__ import annotations

import inspect
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from hexar_client._rpc.stream import Event

# A sequence as a whole where it is known, then what is left: C0 but tabs and line ends, DEL, C1, and marks of direction.
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """``text`` without what would steer a terminal instead of being read."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text))


class _Visible:
    """A renderable whose text is :func:`visible`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._inner, options):
            style = segment.style
            if style is not None and style.link:
                # Markup of a text may not make a link either.
                style = style.update_link(None)
            yield segment if segment.control else Segment(visible(segment.text), style)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(renderable) for renderable in renderables]


def console(*, stderr: bool = False) -> Console:
    """A console for people."""
    made = Console(stderr=stderr, highlight=False)
    made.push_render_hook(_Hook())
    return made


@contextmanager
def live_view(made: Console | None = None, **options: Any) -> Iterator[Live]:
    """A view that is shown anew in its place. Without a terminal its last state is printed, as whole lines."""
    made = made or console()
    with Live(console=made, **options) as live:
        yield live
    if not made.is_terminal and not options.get("transient"):
        made.line()


def counted(number: int, noun: str) -> str:
    """ "1 part", "2 parts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Form(StrEnum):
    """How an answer is printed."""

    table = "table"
    json = "json"


def answers(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options ``--json`` and ``-o json|table``; it finds the choice in its context's Target."""
    signature = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        as_json, form = kwargs.pop("as_json"), kwargs.pop("output_form")
        context: typer.Context = kwargs["context"]
        context.obj.form = Form.json if as_json else form
        command(*args, **kwargs)

    extra = {
        "as_json": Annotated[bool, typer.Option("--json", help="Print JSON: as -o json.")],
        "output_form": Annotated[Form, typer.Option("--output", "-o", help="For people or for programs.")],
    }
    defaults: dict[str, Any] = {"as_json": False, "output_form": Form.table}
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind)
        for name, kind in extra.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *more])  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()} | extra
    return run


def is_json(context: typer.Context) -> bool:
    """Whether a program reads what this command prints."""
    return bool(context.obj.form is Form.json)


def plain(message: Message) -> dict[str, Any]:
    """A message as JSON values, with the names of the contract."""
    values: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return values


def worded(message: Message) -> dict[str, Any]:
    """The fields of a message that are set, for people: enums without their prefix, times as ISO 8601 or :func:`span`."""

    def one(field: Any, value: Any) -> Any:
        if field.enum_type is not None:
            prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
            return field.enum_type.values_by_number[value].name.removeprefix(prefix).replace("_", " ").lower()
        if isinstance(value, Duration):
            return span(value.ToTimedelta().total_seconds())
        if isinstance(value, Timestamp):
            return f"{value.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"
        return worded(value) if isinstance(value, Message) else value

    shown: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            shown[field.name] = {key: one(field.message_type.fields_by_name["value"], value[key]) for key in value}
        else:
            shown[field.name] = [one(field, each) for each in value] if field.is_repeated else one(field, value)
    return shown


def span(seconds: float) -> str:
    """A length of time as a person reads it: "0.7 ms", "223 ms", "4.1 s", "15 min", "30 d"."""
    for unit, length, least in (("d", 86400.0, 2), ("h", 3600.0, 2), ("min", 60.0, 2), ("s", 1.0, 1)):
        if seconds >= least * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds * 1000:.3g} ms"


def _dumps(value: Any, indent: int | None = None) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    # JSON escapes C0 by itself. What is outside of texts holds none of the others.
    return re.sub(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: f"\\u{ord(found[0]):04x}", text)


def print_event(event: Event[Any, Any]) -> None:
    """One event as one line of JSON."""
    body = plain(event.body) if isinstance(event.body, Message) else {"reason": event.body.reason}
    print(_dumps({"seq": event.seq, event.kind: body}), flush=True)


def print_json(message: Message) -> None:
    """A message as indented JSON."""
    print(_dumps(plain(message), indent=2))


def print_lines(messages: Iterable[Message]) -> None:
    """Messages as lines of JSON."""
    for message in messages:
        print(_dumps(plain(message)), flush=True)


def show(context: typer.Context, message: Message) -> None:
    """Print a message: as JSON, or its fields for a person."""
    if is_json(context):
        print_json(message)
    else:
        console().print(*fields(worded(message)) or ["nothing"], sep="\n")


def watch(context: typer.Context, ask: Callable[[], Message], every: float, ended: Callable[[Any], bool]) -> None:
    """Ask again every ``every`` seconds and show the last answer in its place, until Ctrl-C or the end that ``ended`` sees."""
    if is_json(context):
        while True:
            message = ask()
            print_lines([message])
            if ended(message):
                return
            time.sleep(every)
    with live_view(auto_refresh=False) as live:
        while True:
            message = ask()
            grid = Table.grid()
            for part in fields(worded(message)):
                grid.add_row(part)
            live.update(grid, refresh=True)
            if ended(message):
                return
            time.sleep(every)


def fields(values: dict[str, Any]) -> list[Any]:
    """What shows a message's fields: single values one a line, repeated messages as a table each."""
    single = Table.grid(padding=(0, 2))
    tables: list[Any] = []
    for name, value in values.items():
        label = name.replace("_", " ")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [Text(f"\n{label}", style="bold"), Rows(value)]
        else:
            single.add_row(Text(label, style="dim"), Text(_short(value)))
    return ([single] if single.row_count else []) + tables


class Rows:
    """Rows as a table where the screen is as wide as it is; else each row as lines of a name and a value."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self._table()
        if Measurement.get(console, options.update(max_width=10_000), table).maximum <= options.max_width:
            yield table
            return
        for at, row in enumerate(self._rows):
            single = Table.grid(padding=(0, 2))
            for name, value in row.items():
                single.add_row(Text(name.replace("_", " "), style="dim"), Text(_short(value), overflow="fold"))
            yield from ([Text()] if at else []) + [single]

    def _table(self) -> Table:
        shown = Table(box=None, pad_edge=False)
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        for name in names:
            figures = all(isinstance(row.get(name, 0), int | float) for row in self._rows)
            shown.add_column(name.replace("_", " "), justify="right" if figures else "left", no_wrap=True)
        for row in self._rows:
            shown.add_row(*(Text(_short(row.get(name, ""))) for name in names))
        return shown


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}" if isinstance(value, float) else str(value)
