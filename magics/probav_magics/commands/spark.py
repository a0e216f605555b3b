"""%probav spark: what the notebook's Spark is doing; start, stop and restart it."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from probav.errors import EngineError, QueryError
from probav_magics.commands.base import Command
from probav_magics.options import Parser
from probav_magics.show import show_table, size

if TYPE_CHECKING:
    from probav_magics.session import Session

_ACTIONS = ("show", "start", "stop", "restart")


class _Spark(Command):
    name = "spark"
    help = "Show Spark's state, executors and memory; start, stop or restart it."

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

    def run(self, options: Namespace, session: Session) -> None:
        spark: Any = session.variables.get("spark")
        if not hasattr(type(spark), "restart"):
            raise QueryError(
                "There is no Spark in this notebook: use the kernel PROBA-V (Python), or "
                "%load_ext probav_kernels."
            )
        changes = bool(options.set or options.packages)
        if changes and options.action not in ("restart", "start"):
            raise QueryError("--set and --packages need restart: %probav spark restart --set KEY=VALUE")
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
        self._show(spark.state(), session)

    @staticmethod
    def _show(state: Any, session: Session) -> None:
        if not state.running:
            session.say(f"Spark {state}. %probav spark start starts it now.")
            return
        lines = [f"Spark {state}"]
        if state.driver_memory:
            lines.append(f"The driver's Java takes {size(state.driver_memory)} of this machine's memory.")
        session.say("\n".join(lines))
        if state.executors:
            import pandas as pd

            rows = [
                {
                    "executor": item.id,
                    "host": item.host,
                    "cores": item.cores,
                    "tasks running": item.active,
                    "done": item.done,
                    "failed": item.failed,
                    "storage memory": f"{size(item.memory_used)} of {size(item.memory)}",
                }
                for item in state.executors
            ]
            show_table(pd.DataFrame(rows), "Executors")


COMMAND = _Spark()
