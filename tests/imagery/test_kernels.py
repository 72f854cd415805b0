"""The loops that composites do not reach, against plain numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qhsink.imagery.encoding import NODATA
from qhsink.imagery.kernels import EMPTY, gather, rescale_into


@settings(deadline=None)  # the first call compiles
@given(
    numbers=hnp.arrays(np.uint16, (3, 5)),
    take=hnp.arrays(bool, (3, 5)),
    rule=st.sampled_from([(1.0, -1000.0), (1.0, 0.0), (0.275, -2000.0)]),
)
def test_rescaling_is_numpys_and_never_hits_a_marker(numbers, take, rule):
    gain, bias = rule
    out = np.full((3, 5), NODATA, dtype=np.int16)

    rescale_into(numbers, take, 0, gain, bias, out)

    value = np.rint(numbers.astype(float) * gain + bias)
    expected = np.where(take & (numbers != 0), np.clip(value, -32767, 32766), NODATA)
    np.testing.assert_allclose(out, expected, atol=0 if gain == 1.0 else 1)
    assert not (out == EMPTY).any()
    assert ((out == NODATA) == (~take | (numbers == 0))).all()


@settings(deadline=None)  # the first call compiles
@given(
    numbers=hnp.arrays(np.uint16, 12),
    index=hnp.arrays(np.int32, (4, 5), elements=st.integers(-1, 11)),
)
def test_gathering_takes_by_index_and_leaves_the_rest(numbers, index):
    out = np.full((4, 5), 7, dtype=np.uint16)
    gather(numbers, index, out)
    np.testing.assert_array_equal(out, np.where(index >= 0, numbers[index], 7))
