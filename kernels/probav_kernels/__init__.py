"""The PROBA-V kernel: an IPython extension that puts a lazy Spark session, `spark`, into the notebook."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Configure Spark for this process and name its session `spark`; nothing is started yet."""
    from probav_kernels.configuration import ConfigurationError
    from probav_kernels.environment import configure
    from probav_kernels.interrupt import before_cell
    from probav_kernels.metering import Warnings, meter
    from probav_kernels.scala import register
    from probav_kernels.server_time import time_left
    from probav_kernels.session import LazySpark
    from probav_kernels.waiting import watch

    try:
        configure()
        waiting = watch()
    except ConfigurationError as error:  # `spark` says it again when it is used
        sys.stderr.write(f"{error}\n")
        waiting = None
    if waiting is not None:
        shell.events.register("pre_run_cell", waiting.before)
        shell.events.register("post_run_cell", waiting.after)
    shell.events.register("pre_run_cell", before_cell)
    if (own := meter()) is not None:
        shell.events.register("pre_run_cell", Warnings(own).show)
    if (left := time_left()) is not None:
        shell.events.register("pre_run_cell", left.show)
    register(shell)
    shell.user_ns["spark"] = LazySpark()
    shell.user_ns_hidden["spark"] = shell.user_ns["spark"]  # not a variable of the user's
