"""Writes the made parts of docs/cli.md from the commands themselves; `--check` says whether they are up to date."""

import re
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import typer

from dsp.cli.app import app
from dsp.configuration import OPTIONS, variable_name

PAGE = Path(__file__).with_name("cli.md")
WIDTH = 90


def page(text: str) -> str:
    """The page with its made parts made anew; what stands between them is kept."""
    made = {"options": options(), "commands": "\n".join(section(*found) for found in contexts())}
    for name, content in made.items():
        begin, end = f"<!-- {name}: made by make_cli.py -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"docs/cli.md lacks the marks {begin} and {end}")
        text = pattern.sub(lambda _: f"{begin}\n\n{content.strip()}\n\n{end}", text)  # noqa: B023
    return text


def contexts() -> Iterator[tuple[Any, str]]:
    """Every command, with its full name, in the order in which the help lists them."""
    root = typer.main.get_command(app)
    top = root.context_class(root, info_name="dsp", terminal_width=WIDTH, help_option_names=["-h", "--help"])
    yield top, "dsp"
    for name, command in getattr(root, "commands", {}).items():
        context = command.context_class(command, info_name=name, parent=top, terminal_width=WIDTH)
        yield context, f"dsp {name}"
        for inner_name, inner in getattr(command, "commands", {}).items():
            yield (
                inner.context_class(inner, info_name=inner_name, parent=context, terminal_width=WIDTH),
                f"dsp {name} {inner_name}",
            )


def section(context: Any, name: str) -> str:
    """One command: its help as the terminal shows it."""
    return f"### `{name}`\n\n```\n{context.command.get_help(context).rstrip()}\n```\n"


def options() -> str:
    """The table of what a configuration file may hold."""
    rows = ["| in `dsp.toml` | flag | variable | meaning | default |", "|---|---|---|---|---|"]
    for name, option in OPTIONS.items():
        flag, default = f"--{name.replace('_', '-')}", "" if option.default is None else f"`{option.default}`"
        rows.append(f"| `{name}` | `{flag}` | `{variable_name(name)}` | {option.meaning} | {default} |")
    return "\n".join(rows)


def main() -> int:
    """Write the page, or compare it."""
    found = PAGE.read_text(encoding="utf-8")
    wanted = page(found)
    if found == wanted:
        return 0
    if "--check" not in sys.argv:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    sys.stderr.writelines(unified_diff(found.splitlines(True), wanted.splitlines(True), "docs/cli.md", "the commands"))
    sys.stderr.write("docs/cli.md is not what the commands say; run: make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
