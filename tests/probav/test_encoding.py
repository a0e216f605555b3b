import zlib

import numcodecs.zstd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probav.errors import SourceError
from probav.storage.encoding import Encoding

CODECS = [("little",), ("big", "shuffle", "zlib"), ("little", "zlib"), ("little", "zstd"), ("big", "shuffle")]


@pytest.mark.parametrize("codecs", CODECS)
@settings(max_examples=60, derandomize=True)
@given(data=st.data())
def test_any_bytes_are_a_chunk_or_damaged(codecs, data):
    encoding = Encoding("int16", (4, 5), codecs)
    pixels = np.array(data.draw(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=20, max_size=20)))
    stored = pixels.astype(">i2" if codecs[0] == "big" else "<i2").tobytes()
    for name in codecs[1:]:
        if name == "shuffle":
            stored = b"".join(stored[start::2] for start in (0, 1))
        else:
            stored = zlib.compress(stored) if name == "zlib" else numcodecs.zstd.compress(stored, 1)
    np.testing.assert_array_equal(encoding.decode(stored), pixels.reshape(4, 5))
    at = data.draw(st.integers(0, len(stored) - 1))
    damaged = data.draw(
        st.sampled_from([stored[:at], stored[:at] + b"\x80" + stored[at + 1 :], stored + b"\0" * 41])
    )
    try:
        assert encoding.decode(damaged).shape == (4, 5)
    except SourceError:
        pass


@pytest.mark.parametrize("pack", [zlib.compress, lambda zeros: numcodecs.zstd.compress(zeros, 1)])
def test_a_chunk_that_unpacks_to_more_than_a_chunk(pack):
    name = "zlib" if pack is zlib.compress else "zstd"
    with pytest.raises(SourceError, match="a chunk"):
        Encoding("uint8", (4, 5), ("little", name)).decode(pack(bytes(1 << 28)))
