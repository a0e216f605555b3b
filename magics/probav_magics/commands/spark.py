"""%probav spark: what the notebook's Spark is doing; start, stop and restart it."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from probav.errors import EngineError, QueryError
from probav_magics.commands.base import Command
from probav_magics.options import Parser, add_output
from probav_magics.show import show_table, size

if TYPE_CHECKING:
    import pandas as pd

    from probav_magics.session import Session

_ACTIONS = ("show", "start", "stop", "restart")


class _Spark(Command):
    name = "spark"
    help = "Show Spark's state, executors and memory; start, stop or restart it."
    example = "%probav spark restart --set spark.sql.shuffle.partitions=8"

    def add_options(self, parser: Parser) -> None:
        parser.add_argument(
            "action", nargs="?", choices=_ACTIONS, default="show", help="what to do (default show)"
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark, for restart"
        )
        parser.add_argument(
            "--packages",
            action="append",
            default=[],
            metavar="GROUP:ARTIFACT:VERSION",
            help="Maven coordinates of libraries to add, for restart",
        )
        add_output(parser)

    def run(self, options: Namespace, session: Session) -> None:
        changes = bool(options.set or options.packages)
        if changes and options.action not in ("restart", "start"):
            raise QueryError("--set and --packages need restart: %probav spark restart --set KEY=VALUE")
        if options.code:
            session.say(_code(options))
            return
        spark: Any = session.variables.get("spark")
        if not hasattr(type(spark), "restart"):
            raise QueryError(
                "There is no Spark in this notebook: use the kernel PROBA-V (Python), or "
                "%load_ext probav_kernels."
            )
        try:
            if options.action == "stop":
                spark.stop()
            elif options.action == "restart" or changes:
                if options.action == "start" and spark.state().running:
                    raise QueryError("Spark is running; use restart to change its settings.")
                spark.restart(options.set, options.packages)
            elif options.action == "start":
                spark.session()
        except (EngineError, QueryError):
            raise
        except Exception as error:  # the kernel's and Spark's own: say them, whatever they are
            raise EngineError(str(error)) from error
        state = spark.state()
        session.store(options.out, _executors(state))
        if not options.quiet:
            _show(state, session)


def _code(options: Namespace) -> str:
    if options.action == "restart" or options.set or options.packages:
        return f"spark.restart({options.set!r}, {options.packages!r})"
    if options.out:
        return f"import pandas as pd\n\n{options.out} = pd.DataFrame(spark.state().executors)"
    return {"start": "spark.session()", "stop": "spark.stop()", "show": "spark.state()"}[options.action]


def _executors(state: Any) -> pd.DataFrame:
    """Return the executors of Spark, a row each; none where it doesn't run."""
    import pandas as pd

    return pd.DataFrame(state.executors if state.running else [])


def _show(state: Any, session: Session) -> None:
    if not state.running:
        session.say(f"Spark {state}. %probav spark start starts it now.")
        return
    lines = [f"Spark {state}"]
    if state.driver_memory:
        lines.append(f"The driver's Java takes {size(state.driver_memory)} of this machine's memory.")
    session.say("\n".join(lines))
    table = _executors(state)
    if len(table):
        used = [
            f"{size(float(some))} of {size(float(most))}"
            for some, most in zip(table["memory_used"], table["memory"], strict=True)
        ]
        shown = table.drop(columns=["memory_used", "memory"]).assign(storage=used)
        words = {"id": "executor", "active": "tasks running", "storage": "storage memory"}
        show_table(shown.rename(columns=words), "Executors")


COMMAND = _Spark()
