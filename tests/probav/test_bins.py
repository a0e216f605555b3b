"""Bins of 8-bit layers, and masks as tests of bits."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from probav.bins import EVERYTHING, code_table, rule_of

DNS = np.arange(256)


@given(st.integers(0, 255), st.integers(0, 255))
def test_a_test_of_bits_is_found_again(bits, wanted):
    passes = (DNS & bits) == (wanted & bits)
    rule = rule_of(passes)
    assert (rule.table == np.where(passes, 0, 255)).all()
    assert ((DNS & rule.bits) == rule.wanted).tolist() == passes.tolist()


@given(st.sets(st.integers(0, 255)))
def test_any_other_mask_goes_by_its_table(through):
    passes = np.isin(DNS, list(through))
    rule = rule_of(passes)
    assert (rule.table == np.where(passes, 0, 255)).all()
    by_bits = (DNS & rule.bits) == rule.wanted
    is_test = rule.wanted & ~rule.bits == 0
    assert by_bits.tolist() == passes.tolist() if is_test else not by_bits.any()


def test_clear_land_is_a_test_of_bits_and_everything_passes_everything():
    rule = rule_of(((DNS & 7) == 0) & ((DNS & 8) == 8))
    assert (rule.bits, rule.wanted) == (15, 8)
    assert (EVERYTHING.bits, EVERYTHING.wanted) == (0, 0)


def test_each_valid_number_has_a_bin_and_the_others_have_none():
    codes = code_table((DNS >= 3) & (DNS <= 200))
    assert (codes.low, codes.high) == (3, 200)
    assert codes.dns.tolist() == list(range(3, 201))
    assert codes.table[3:201].tolist() == list(range(198))
    assert set(codes.table[[0, 2, 201, 255]]) == {254}
    scattered = code_table(np.isin(DNS, [7, 9]))
    assert (scattered.low, scattered.high) == (1, 0)
    assert scattered.table[[7, 8, 9]].tolist() == [0, 254, 1]
    assert code_table(np.ones(256, bool)) is None
