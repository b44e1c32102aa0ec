"""Linear ranking with an explanation: the k best rows of a feature table in one pass.

**The score** of a row is the sum over the columns of ``value × weight``, the weighted sum model of multi-criteria decision
making (Fishburn, 1967). It is summed in four lanes: lane ``j % 4`` adds column ``j`` in ascending order, and the score is
``(lane 0 + lane 1) + (lane 2 + lane 3)``, without fused multiply-add. So a score has the same bits on every processor and on
every path, and its contributions add up to it within rounding: the error is below ``columns × 2**-52`` of the sum of
their absolute values.

**Missing values.** NaN in ``features`` says that the value is not known. It then stands for ``missing[j]``, the neutral value
of its column: 0 by default, so that it contributes nothing; a caller who passes the column's mean or prior keeps a
product without ratings from being treated as one with the worst. ``Ranking.missing`` tells which contributions were
assumed in this way. Infinite values are refused, as no finite contribution can explain them.

**Order.** The higher score first; among equal scores the lower index. The order of equal rows is thus the caller's own.

**Algorithm.** One pass computes scores four rows at a time (AVX2 where the processor has it) and collects the rows
that beat the k-th best of the last selection; when the room for candidates is full, quickselect (Hoare, 1961;
``std::nth_element``) keeps the best k. Expected time O(n·f + k log k), memory O(k); no array of n scores is written.

Thread-safety: the function keeps no state and releases the GIL for the scan. The buffers are read in place: another thread
that writes to them meanwhile gives a ranking of mixed values, never undefined behaviour of Python. A ``Ranking`` is
not changed by anyone after it is made; its arrays are read-only.
"""

import numpy as np

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport isfinite, isnan
from libc.stdint cimport int64_t, uint8_t
from libcpp cimport bool as cbool

cdef extern from "ranking.hpp" namespace "hexar::ranking":
    cdef struct Candidate:
        double score
        int64_t index

    cdef struct Table:
        const double* features
        const double* weights
        const double* neutral
        const uint8_t* mask
        int64_t rows
        int64_t columns

    int64_t scan(
        const Table& table, Candidate* room, int64_t capacity, int64_t k, cbool portable, cbool* finite
    ) noexcept nogil
    int64_t first_not_finite(const Table& table) noexcept nogil


cdef enum:
    LANES = 4
    SPARE_CANDIDATES = 128  # beside k: how many candidates are collected between two selections, at least


@cython.final
cdef class Ranking:
    """The best rows, best first. All arrays are read-only.

    Attributes:
        indices: int64 (k,), the rows of the features.
        scores: float64 (k,), descending.
        contributions: float64 (k, f), ``value × weight``; each row adds up to its score.
        missing: bool (k, f), True where the value was NaN and the neutral value stood in for it.
    """

    def __init__(self, indices, scores, contributions, missing):
        self.indices = indices
        self.scores = scores
        self.contributions = contributions
        self.missing = missing
        for array in (indices, scores, contributions, missing):
            array.flags.writeable = False

    def __len__(self):
        return len(self.indices)

    def __repr__(self):
        return f"Ranking(indices={self.indices.tolist()}, scores={self.scores.tolist()})"


def top_k(features, weights, k, *, mask=None, missing=None, bint _portable=False):
    """Rank the rows of ``features`` by their weighted sum and return the best ``k`` with their contributions.

    Args:
        features: float64 (n, f), C-contiguous, any object with the buffer protocol, not copied. NaN is a missing value.
        weights: (f,) finite numbers.
        k: how many rows are wanted, at least 1. Fewer are returned where fewer rows are let through.
        mask: (n,) of bool or uint8, or None. Rows with 0 are left out and may hold any value.
        missing: (f,) finite numbers, the neutral value of each column, or None for zeros.

    Returns:
        A ``Ranking`` of min(k, rows let through) rows.

    Raises:
        ValueError: an argument, which the message names, has a wrong shape, type of element, or value.
        TypeError: ``features`` has no buffer or ``k`` is no integer.
    """
    cdef const double[:, ::1] values = feature_view(features)
    cdef Py_ssize_t rows = values.shape[0]
    cdef Py_ssize_t columns = values.shape[1]
    cdef double[::1] padded_weights = column_vector("weights", weights, columns)
    cdef double[::1] neutral = column_vector("missing", [0.0] * columns if missing is None else missing, columns)
    cdef const uint8_t[::1] wanted = None if mask is None else mask_view(mask, rows)
    cdef int64_t limit = wanted_count(k, rows)
    cdef int64_t capacity = limit + max(limit, <int64_t>SPARE_CANDIDATES)
    cdef int64_t found
    cdef int64_t bad = -1
    cdef cbool finite = True
    cdef cbool portable = _portable
    cdef Table table
    cdef Candidate* room
    if rows == 0:
        return explain(values, padded_weights, neutral, NULL, 0)
    table.features = NULL
    if columns:
        table.features = &values[0, 0]
    table.weights = &padded_weights[0]
    table.neutral = &neutral[0]
    table.mask = NULL
    if wanted is not None:
        table.mask = &wanted[0]
    table.rows = rows
    table.columns = columns
    room = <Candidate*>PyMem_Malloc(<size_t>capacity * sizeof(Candidate))
    if room == NULL:
        raise MemoryError
    try:
        with nogil:
            found = scan(table, room, capacity, limit, portable, &finite)
            if not finite:
                bad = first_not_finite(table)
        if bad >= 0:
            raise ValueError(f"features: the score of row {bad} is not finite (an infinite value, or too large a sum)")
        return explain(values, padded_weights, neutral, room, found)
    finally:
        PyMem_Free(room)


cdef Ranking explain(
    const double[:, ::1] values, double[::1] weights, double[::1] neutral, const Candidate* best, Py_ssize_t count
):
    """Make the result: read the few winning rows again and say what each column contributed."""
    cdef Py_ssize_t columns = values.shape[1]
    indices = np.empty(count, dtype=np.int64)
    scores = np.empty(count, dtype=np.float64)
    contributions = np.empty((count, columns), dtype=np.float64)
    missing = np.empty((count, columns), dtype=np.bool_)
    cdef int64_t[::1] index_view = indices
    cdef double[::1] score_view = scores
    cdef double[:, ::1] contribution_view = contributions
    cdef uint8_t[:, ::1] missing_view = missing.view(np.uint8)
    cdef Py_ssize_t rank, column
    cdef double value
    for rank in range(count):
        index_view[rank] = best[rank].index
        score_view[rank] = best[rank].score
        for column in range(columns):
            value = values[best[rank].index, column]
            missing_view[rank, column] = isnan(value)
            contribution_view[rank, column] = (neutral[column] if isnan(value) else value) * weights[column]
    return Ranking(indices, scores, contributions, missing)


cdef const double[:, ::1] feature_view(object features):
    if features is None:  # which Cython would take for an unset view
        raise TypeError("features must be an array, not NoneType")
    try:
        return features
    except (ValueError, BufferError) as error:
        raise ValueError(f"features must be a C-contiguous float64 array of shape (n, f): {error}") from None
    except TypeError:
        raise TypeError(f"features must be an array, not {type(features).__name__}") from None


cdef double[::1] column_vector(str name, object numbers, Py_ssize_t columns):
    """A copy of ``numbers``, checked and padded with zeros to whole groups of lanes."""
    cdef double number
    try:
        array = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None
    if array.shape != (columns,):
        raise ValueError(f"{name} must have the shape ({columns},), one number a column, not {array.shape}")
    for number in array:
        if not isfinite(number):
            raise ValueError(f"{name} must be finite, not {number}")
    padded = np.zeros(columns + LANES, dtype=np.float64)
    padded[:columns] = array
    return padded


cdef const uint8_t[::1] mask_view(object mask, Py_ssize_t rows):
    array = np.asarray(mask)
    if array.dtype not in (np.bool_, np.uint8) or array.shape != (rows,):
        raise ValueError(f"mask must be bool or uint8 of shape ({rows},), not {array.dtype} of shape {array.shape}")
    return np.ascontiguousarray(array).view(np.uint8)


cdef int64_t wanted_count(object k, Py_ssize_t rows) except -1:
    """``k`` bounded by the number of rows."""
    try:
        k = k.__index__()
    except AttributeError:
        raise TypeError(f"k must be an integer, not {type(k).__name__}") from None
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return min(k, max(rows, 1))
