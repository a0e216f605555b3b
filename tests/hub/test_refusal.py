from __future__ import annotations

import pytest
from jupyterhub.utils import format_exception
from tornado.web import HTTPError

from probav_hub.refusal import Refusal


def test_the_spawn_page_shows_the_sentence_and_nothing_else():
    with pytest.raises(HTTPError) as raised:
        raise Refusal("Large can't start: 3 of 2 hours are used.", reason="budget")
    assert raised.value.status_code == 400
    assert raised.value.reason == "budget"
    assert format_exception(raised.value) == ("Large can't start: 3 of 2 hours are used.", None)
    assert str(raised.value) == "Large can't start: 3 of 2 hours are used."
