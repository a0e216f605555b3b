from datetime import date

import pytest

from probav.errors import SourceError
from probav.products import get_product
from probav.readers.periods import day_of, label


def test_a_day_written_as_digits():
    assert day_of("20160229") == date(2016, 2, 29)
    for digits in ("20150229", "20151301", "00000101", "2015", ""):
        with pytest.raises(SourceError, match="is no date"):
            day_of(digits)


@pytest.mark.parametrize(
    ("product", "day", "position", "first"),
    [
        ("PROBAV_L3_S1_TOC_1KM", "2016-02-29", None, "2016-02-29"),
        ("PROBAV_L3_S5_TOC_100M", "2016-02-26", None, "2016-02-26"),
        ("PROBAV_L3_S5_TOC_100M", "2016-02-29", "last", "2016-02-26"),
        ("SPOTVEGETATION_L3_S10", "1999-02-21", None, "1999-02-21"),
        ("CGLS_FAPAR_V2", "2016-02-29", None, "2016-02-21"),
        ("CGLS_FAPAR_V2", "2016-02-21", "first", "2016-02-21"),
        ("CGLS_BA300_V3", "2020-02-01", None, "2020-02-01"),
        ("CGLS_BA300_V3", "2020-02-29", "last", "2020-02-01"),
        ("CGLS_LSP300_V1", "2016-07-01", None, "2016-01-01"),
        ("CGLS_LC100_V3", "2016-12-31", "last", "2016-01-01"),
        ("CGLS_LC100_V3", "9999-01-01", None, "9999-01-01"),
    ],
)
def test_labels_are_first_days(product, day, position, first):
    assert str(label(date.fromisoformat(day), get_product(product), position)) == first


@pytest.mark.parametrize(
    ("product", "day", "reason"),
    [
        ("CGLS_FAPAR_V2", "2015-02-27", "ends no period.* dekad around it is 2015-02-21 to 2015-02-28"),
        ("PROBAV_L3_S10_TOC_333M", "2015-03-02", "starts no period.* is 2015-03-01 to 2015-03-10"),
        ("CGLS_LC100_V3", "2016-02-01", "the year around it is 2016-01-01 to 2016-12-31"),
    ],
)
def test_days_that_are_no_label(product, day, reason):
    with pytest.raises(SourceError, match=reason):
        label(date.fromisoformat(day), get_product(product))
