"""The PROBA-V kernel: an IPython extension that puts a lazy Spark session, `spark`, into the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Configure Spark for this process and name its session `spark`; nothing is started yet."""
    from probav_kernels.environment import configure
    from probav_kernels.interrupt import cancel_jobs_on_interrupt
    from probav_kernels.session import LazySpark

    configure()
    shell.events.register("pre_run_cell", cancel_jobs_on_interrupt)
    shell.user_ns["spark"] = LazySpark()
    shell.user_ns_hidden["spark"] = shell.user_ns["spark"]  # not a variable of the user's
