"""The command line: `probav archive ...` for the data manager, the queries of the magics for everybody.

One file a group of commands, each with an `add` that declares them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import probav
from probav import options
from probav.cli import archive, catalogue, overviews, queries, register, verify, versions
from probav.cli.terminal import group
from probav.errors import ProbavError, QueryError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0, what a command says (1: `archive verify` found something wrong), or 2 for a mistake that one sentence
    explains.
    """
    try:
        parser = _parser()
        parsed = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
        if not hasattr(parsed, "run"):
            parser.print_help()
            return 0
        code: int | None = parsed.run(parsed)
        sys.stdout.flush()
        return code or 0
    except QueryError as error:  # the parser's begin with the command
        print(error if str(error).startswith("probav") else f"probav: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output (head) has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ProbavError, OSError) as error:
        print(f"probav: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("probav: interrupted; what was committed stays", file=sys.stderr)
        return 130


def _parser() -> options.Parser:
    parser = options.Parser("probav", description="Satellite vegetation archives one call away.")
    parser.add_argument("--version", action="version", version=f"probav {probav.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=options.Parser)
    actions = group(commands, "archive", "create, fill and look at an archive")
    archive.add(actions)
    register.add(actions)
    verify.add(actions)
    versions.add(actions)
    overviews.add(actions)
    queries.add(commands)
    catalogue.add(commands, actions)
    return parser
