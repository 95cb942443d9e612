"""The command line: `tinydl COMMAND`, also `python -m tinydl COMMAND`.

Each command is a module of this package with `add_arguments(parser)` and `run(args)`, which
returns an exit code (None is 0). Modules import what they need inside `run`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ..version import __version__

COMMANDS = {
    "demo": "train LeNet on handwritten digits and draw what it learned",
    "train": "train a model on images: autoencoders, Boltzmann machines, adversarial games, ...",
    "sample": "draw pictures from a model that was trained",
    "doctor": "say what is installed, what works here, and why the rest does not",
    "warmup": "compile all CPU kernels now, so that nothing compiles later",
}

# What a user can cause and mend: a wrong name, a damaged file, a missing device or package.
EXPECTED = (ValueError, OSError, RuntimeError, ImportError, MemoryError, FloatingPointError)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0 done, 1 failed, 2 called wrongly.

    Expected errors are one line on stderr; TINYDL_DEBUG=1 shows where they came from.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    args = _parser(argv).parse_args(argv)
    try:
        code = args.run(args) or 0
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\ntinydl: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `tinydl doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except EXPECTED as error:
        if os.environ.get("TINYDL_DEBUG") == "1":
            raise
        print(f"tinydl {args.command}: {_describe(error)}", file=sys.stderr)
        return 1


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinydl", description=__doc__.partition("\n")[0])
    parser.add_argument("--version", action="version", version=f"tinydl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        # Only what was asked for is imported: the others may need what is not installed.
        if argv[:1] == [name]:
            module = import_module(f".{name}", __name__)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def _describe(error: BaseException) -> str:
    """The error's own text, without Python's "[Errno 13]"."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
