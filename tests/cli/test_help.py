"""Every command says what it is for, what each option means, and how it is typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from qhsink.cli import COMMANDS, LazyGroup, cli

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"


def leaves(command=cli, name="qhsink"):
    """Every command that does something, by the words that call it."""
    if not isinstance(command, click.Group):
        return {name: command}
    found = {}
    context = click.Context(command)
    for child in command.list_commands(context):
        found |= leaves(command.get_command(context, child), f"{name} {child}")
    return found


LEAVES = leaves()


def shown(words):
    done = CliRunner().invoke(cli, [*words.split()[1:], "--help"])
    assert done.exit_code == 0
    return done.output


def cut(text):
    """Lines that click has shortened."""
    lines = text.splitlines()[1:]  # the first ends in "[ARGS]..."
    return [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize("words", LEAVES)
def test_a_command_has_a_purpose_and_every_option_a_meaning(words):
    command = LEAVES[words]
    purpose = command.get_short_help_str(200)
    assert purpose.endswith(".")
    assert len(purpose) <= 90
    silent = [
        parameter.opts[0]
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


@pytest.mark.parametrize("words", [w for w in LEAVES if LEAVES[w].epilog])
def test_an_example_is_a_command_that_is_understood(words):
    """Options of examples exist and take what the examples give them."""
    told = LEAVES[words].epilog.partition("Examples:\n")[2].replace("\\\n", " ")
    for line in told.splitlines():
        typed = shlex.split(line)
        assert typed[0] == "qhsink"
        name, command = max(
            ((n, c) for n, c in LEAVES.items() if typed[: len(n.split())] == n.split()),
            key=lambda found: len(found[0]),
        )
        given = [w.partition("=")[0] for w in typed if w.startswith("--")]
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        assert set(given) <= known, line
        required = {
            p.opts[0]
            for p in command.params
            if isinstance(p, click.Option) and p.required
        }
        assert required <= set(given), line
        assert name


def test_the_first_page_lists_every_command_once_under_a_heading():
    headings = [name for names in LazyGroup.headings.values() for name in names]
    assert sorted(headings) == sorted(COMMANDS)
    text = shown("qhsink")
    assert not cut(text)
    for heading in LazyGroup.headings:
        assert f"{heading}:" in text


@pytest.mark.parametrize("group", ["aoi", "estimate", "indicators", "models"])
def test_a_purpose_is_never_cut(group):
    assert not cut(shown(f"qhsink {group}"))


def typed_in(path):
    """Commands that a document shows, continued lines joined."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"^(?: {4}|\$ )?(qhsink [a-z-][^#\n]*)", text, re.MULTILINE)
    return [line for line in found if line.split()[1] in COMMANDS]


@pytest.mark.parametrize(
    "name",
    ["README.md", "README.zh-CN.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))],
)
def test_a_command_in_the_documents_exists_with_its_options(name):
    for line in typed_in(PROJECT / name):
        words = line.split()
        known = [n for n in LEAVES if words[: len(n.split())] == n.split()]
        if not known:
            assert any(n.startswith(" ".join(words[:2]) + " ") for n in LEAVES), line
            assert words[2:] == ["--help"], line
            continue
        command = LEAVES[max(known, key=len)]
        taken = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        given = set(re.findall(r"--[a-z][a-z0-9-]*", line))
        assert given - {"--help"} <= taken, line
