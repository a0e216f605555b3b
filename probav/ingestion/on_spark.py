"""Headers checked and a commit written by the executors of a Spark session.

They must see the archive and the source files under the same paths. What is pickled here is made by this
package and carried by Spark, between processes of one user.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from probav import storage
from probav.errors import ConflictError
from probav.execution import spark
from probav.ingestion.local import Tick
from probav.ingestion.plan import Check, Checked, check
from probav.ingestion.readers import opening
from probav.ingestion.report import Report
from probav.ingestion.write import Plan, Written, commit_batch, finish, prepare, write_group
from probav.products import ProductDefinition
from probav.readers import Granule

_TRIES = 5


def check_all(granules: list[Granule]) -> list[Check]:
    """Check the headers of granules."""
    payloads = [pickle.dumps(granule) for granule in granules]
    answers = {number: data for number, _, data in spark.each(f"{__name__}:check_one", payloads)}
    return [pickle.loads(answers[number]) for number in range(len(granules))]  # noqa: S301


def check_one(shared: bytes, payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Check the headers of one granule, on an executor."""
    yield 0, pickle.dumps(check(pickle.loads(payload), opening(1)))  # noqa: S301


def commit(url: str, definition: ProductDefinition, batch: list[Checked], report: Report, tick: Tick) -> None:
    """Write a batch as one commit, each piece by an executor.

    Raises
    ------
    ArchiveError
        If the archive can't be written; nothing is changed then.
    EngineError
        If the Spark job fails; nothing is changed then.
    """

    def write(
        message: str, metadata: dict[str, Any], good: list[Checked]
    ) -> tuple[list[Checked], str | None]:
        for number in range(_TRIES):
            written = Written()

            def spread(plan: Plan, fork: bytes, written: Written = written) -> Iterator[bytes]:
                yield from _spread(definition.id, plan, fork, written, tick)

            def end(root: Any, plan: Plan, written: Written = written) -> list[Checked]:
                return finish(root, definition, plan, written)

            try:
                result = storage.commit_distributed(
                    url,
                    message,
                    metadata,
                    lambda root: prepare(root, definition, good, spark.parallelism()),
                    spread,
                    end,
                )
            except ConflictError:
                if number + 1 == _TRIES:
                    raise
                continue
            report.notes |= written.notes
            return result
        raise AssertionError

    commit_batch(definition, batch, report, write)


def _spread(product: str, plan: Plan, fork: bytes, written: Written, tick: Tick) -> Iterator[bytes]:
    """Write all groups; yield the forks that come back."""
    shared = pickle.dumps((product, fork, plan.variables))
    payloads = [pickle.dumps(group) for group in plan.groups]
    for _, _, answer in spark.each(f"{__name__}:write_one", payloads, shared, tick):
        found, data = pickle.loads(answer)  # noqa: S301
        written.add(found)
        yield data
    tick(1.0)


def write_one(shared: bytes, payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Write one group of a commit, on an executor."""
    product, data, variables = pickle.loads(shared)  # noqa: S301
    fork = storage.Fork(data)
    written = write_group(fork.root[product], pickle.loads(payload), variables, opening(1), lambda: None)  # noqa: S301
    yield 0, pickle.dumps((written, fork.close()))
