"""The command line: arguments in, text out."""

from dsp.cli.main import main

__all__ = ["main"]
