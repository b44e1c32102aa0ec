"""Commands that are imported when they run: ``hexar --help`` needs their names and one line each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

#: A command's name → where it is ("module:name", a function or a Typer), and what it does in a line.
Table: TypeAlias = Mapping[str, tuple[str, str]]


class LazyGroup(TyperGroup):
    """A group whose commands stand in :attr:`table`."""

    table: ClassVar[dict[str, tuple[str, str]]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, sorted."""
        return sorted({*self.table, *self.commands})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command for the list; that which runs is made by :meth:`resolve_command`."""
        if cmd_name in self.commands or cmd_name not in self.table:
            return self.commands.get(cmd_name)
        return TyperCommand(cmd_name, help=self.table[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import what is named first."""
        name = args[0] if args else ""
        if name in self.table and name not in self.commands:
            self.commands[name] = load(name, self.table[name][0])
        return super().resolve_command(ctx, args)


def load(name: str, target: str) -> Any:
    """The command at "module:name"."""
    module, _, attribute = target.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, context_settings=HELP)(found)
        found = app
    command = typer.main.get_command(found)
    command.name = name
    return command


#: Help by -h as well.
HELP = {"help_option_names": ["-h", "--help"]}
