from __future__ import annotations

import time

import pytest

from probav_kernels.server_time import ENDS, TimeLeft, time_left


def test_each_moment_is_told_once(monkeypatch, capsys):
    left = TimeLeft(ends=100 * 60)

    def told(minutes: float) -> str:
        monkeypatch.setattr(time, "time", lambda: (100 - minutes) * 60)
        left.show()
        return capsys.readouterr().err

    assert told(45) == ""
    assert "over in 30 minutes" in told(29.9)
    assert told(29) == told(11) == ""
    assert "over in 2 minutes" in told(2)  # nobody ran a cell in between: one warning, not two
    assert told(1) == ""
    assert told(-5) == ""


@pytest.mark.parametrize("text", [None, "", "soon"])
def test_a_server_without_an_end(monkeypatch, text):
    monkeypatch.delenv(ENDS, raising=False)
    if text is not None:
        monkeypatch.setenv(ENDS, text)
    assert time_left() is None
