"""How ``--help`` reads: whole purposes, commands under headings, examples.

click cuts a command's purpose at the width of the terminal; here it is wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click

_LONGEST = 200
"""Letters of a purpose: never cut."""


class PurposeGroup(click.Group):
    """A group that lists each command with its whole purpose."""

    headings: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Heading to the names below it; none: one list in alphabetical order."""

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the commands, under their headings where there are some."""
        headings = self.headings or {"Commands": tuple(self.list_commands(ctx))}
        for heading, names in headings.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            lines = [
                (name, command.get_short_help_str(_LONGEST))
                for name, command in commands
                if command is not None
            ]
            with formatter.section(heading):
                formatter.write_dl(lines)


def examples(*lines: str) -> str:
    """Return the end of a help text: commands as they are typed, one a line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
