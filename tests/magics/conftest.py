"""A real IPython shell with the magics, on a small demo archive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@dataclass
class Cell:
    """What a cell left behind."""

    stdout: str
    stderr: str
    error: BaseException | None
    displays: list[dict[str, Any]] = field(default_factory=list)

    def text(self) -> str:
        """All that can be read beneath the cell."""
        return "\n".join([self.stdout, self.stderr, *(data.get("text/plain", "") for data in self.displays)])

    def pngs(self) -> list[bytes]:
        return [data["image/png"] for data in self.displays if "image/png" in data]


@pytest.fixture(scope="session")
def shell():
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    made.run_line_magic("load_ext", "probav_magics")
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell, demo_archive, monkeypatch):
    """Run a cell as a notebook does."""
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    shell.reset(new_session=False)
    magics = shell.magics_manager.registry["ProbavMagics"]
    magics.used = None

    def cell(source: str) -> Cell:
        with capture_output() as captured:
            result = shell.run_cell(source)
        displays = [output.data for output in captured.outputs]
        return Cell(captured.stdout, captured.stderr, result.error_in_exec, displays)

    return cell


@pytest.fixture
def box(demo_archive):
    """West, south, east, north of the middle of the archive, as words of a line."""
    import probav

    west, south, east, north = probav.open_archive(demo_archive)[PRODUCT].extent.bounds
    width, height = (east - west) / 4, (north - south) / 4
    return f"{west + width} {south + height} {east - width} {north - height}"
