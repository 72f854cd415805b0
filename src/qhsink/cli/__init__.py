"""The command line: commands, progress and tables for people.

Composes nothing scientific. Each group of commands has its own module, loaded only
when it is used, so that ``qhsink --help`` is quick. Exit status: 0 done, 2 bad
input, 3 some regions refused, 1 a full disk or a defect.
"""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from collections.abc import Mapping
from typing import ClassVar, NoReturn, TextIO

import click

from qhsink import __version__
from qhsink.cli.groups import PurposeGroup, examples
from qhsink.domain.errors import QhsinkError, Refusal, StoreFault

COMMANDS = {
    "monitor": "qhsink.cli.monitor:monitor",
    "aoi": "qhsink.cli.aoi:aoi",
    "twin": "qhsink.cli.twin:twin",
    "train": "qhsink.cli.train:train",
    "models": "qhsink.cli.models:models",
    "sample": "qhsink.cli.sample:sample",
    "estimate": "qhsink.cli.estimate:estimate",
    "indicators": "qhsink.cli.indicators:indicators",
    "carbon": "qhsink.cli.carbon:carbon",
    "sources": "qhsink.cli.sources:sources",
    "store": "qhsink.cli.store:store",
}
"""Command name to ``module:object``; a command whose module is absent is not listed."""


class LazyGroup(PurposeGroup):
    """A group whose commands are imported when asked for."""

    headings: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "The monthly page": ("monitor", "aoi", "sources", "store"),
        "Maps and models": ("train", "models", "twin"),
        "Samples, estimates, carbon (from tables: a verifier needs no imagery)": (
            "sample", "estimate", "indicators", "carbon",
        ),
    }  # fmt: skip

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in reading order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None when there is none."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "qhsink monitor --month 2025-08 --region qilian --source demo",
        "qhsink aoi list",
        "qhsink estimate area --sample s.csv --strata strata.csv",
    )
    + "\n\nExit status: 0 done; 3 some numbers refused, with reasons; 2 bad input, "
    "nothing written; 1 a full disk or a defect.",
)
@click.version_option(__version__, prog_name="qhsink")
def cli() -> None:
    """Carbon-sink monitoring for Qinghai: satellite pixels to a checked verdict."""


def speak_chinese(*streams: TextIO) -> None:
    """Let output streams take every character that a result may hold.

    Python follows the locale, and stops at the first ``±`` where that is ASCII or
    Latin-1: after a run, the numbers of which would then not be told. Such a stream
    becomes UTF-8; one that can say Chinese, such as GBK, stays as it is.
    """
    for stream in streams:
        if not isinstance(stream, io.TextIOWrapper):
            continue
        try:
            "± 河南".encode(stream.encoding)
            stream.reconfigure(errors="replace")
        except UnicodeEncodeError:
            stream.reconfigure(encoding="utf-8", errors="replace")


def main() -> NoReturn:
    """Run the command line; every expected error is one line on stderr."""
    speak_chinese(sys.stdout, sys.stderr)
    # rasterio says so of arrays in memory, which have a transform beside them.
    warnings.filterwarnings("ignore", message="Dataset has no geotransform")
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except Refusal as error:
        click.echo(f"refused: {error}", err=True)
        sys.exit(3)
    except StoreFault as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except QhsinkError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
