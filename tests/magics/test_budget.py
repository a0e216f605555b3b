"""A query that a budget has no room for is one line, as any other mistake; a stopped one, too."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from probav import metering

PRODUCT = "PROBAV_L3_S10_TOC_333M"


class Spent:
    """A meter whose budget is spent, before a query or while it reads."""

    def __init__(self, before: str | None, while_reading: str | None) -> None:
        self._before, self._reading = before, while_reading

    def before(self, planned):
        return self._before

    def read(self, size, ahead=0):
        return self._reading

    def after(self):
        pass


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        (
            Spent("The query would read about 3.0 GiB, and 1.0 GiB are left.", None),
            "would read about 3.0 GiB",
        ),
        (Spent(None, "The query was stopped: of the budget all, you used much."), "The query was stopped"),
    ],
    ids=["before", "while it runs"],
)
def test_a_refused_query_is_one_line(run, shell, box, monkeypatch, meter, expected):
    run(f"%probav aoi here --bbox {box} --quiet")
    monkeypatch.setattr(metering, "meters", lambda: (meter,))
    for engine in ("local", "auto"):
        cell = run(f"%probav stats {PRODUCT} --aoi here --mask clear --engine {engine} -o ts")
        assert type(cell.error) is UsageError
        assert expected in cell.stderr
        assert len(cell.stderr.strip().splitlines()) == 1
        assert "Traceback" not in cell.text()
        assert "ts" not in shell.user_ns
    monkeypatch.undo()
