"""Similarities of few vectors, for work that is too short to leave the interpreter lock for.

NumPy gives the lock away around each product and each sort; on a busy process the way back takes longer than the work. Source of
the late interaction: Khattab and Zaharia, *ColBERT* (2020), where it is called MaxSim.
"""

cimport cython
from libc.math cimport sqrt
from libc.stdint cimport int64_t, uint16_t, uint32_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from hexar.core.search.hits cimport Hit, Hits, as_hits


cdef extern from "<algorithm>" namespace "std" nogil:
    void copy(const float* first, const float* last, float* place)


cdef extern from "similarity.hpp" namespace "hexar::similarity" nogil:
    float dot(const float* a, const float* b, size_t n)
    float dot_portable(const float* a, const float* b, size_t n)
    void add(float* total, const float* row, size_t columns)
    void divide(float* row, float divisor, size_t columns)

    vector[Hit] find_nearest "hexar::similarity::nearest"(
        const float* matrix, const int64_t* keys, size_t rows, size_t columns, const float* query, size_t count
    ) except +

    cdef cppclass Words:
        Words(const float* table, size_t rows, size_t columns) except +
        size_t rows()
        void query(const uint16_t* tokens, const uint32_t* starts, const float* norms, size_t words, size_t size) except +
        void see(const uint16_t* tokens, const uint32_t* starts, const float* norms, size_t words, size_t size) except +
        void multiply() except +
        void document(
            const uint16_t* tokens, const uint32_t* starts, const float* norms, size_t words, size_t size, float* best
        )


def _dot(const float[::1] a not None, const float[::1] b not None, *, bint portable=False):
    """The product of two rows, for tests: ``portable`` takes the path without special instructions."""
    cdef size_t size = a.shape[0]
    if a.shape[0] != b.shape[0]:
        raise ValueError("two rows of one length")
    if not size:
        return 0.0
    return dot_portable(&a[0], &b[0], size) if portable else dot(&a[0], &b[0], size)


def nearest(const float[:, ::1] matrix not None, const int64_t[::1] keys not None, const float[::1] query not None, Py_ssize_t count):
    """The ``count`` rows of ``matrix`` with the largest products with ``query``, as :class:`~hexar.core.search.hits.Hits` of their
    keys and products; best first, ties by key. A product that is not a number counts as minus infinity.

    Raises ValueError where the shapes do not match or ``count`` is negative.
    """
    cdef vector[Hit] found
    if matrix.shape[0] != keys.shape[0] or matrix.shape[1] != query.shape[0] or count < 0:
        raise ValueError("one key a row, one column a number of the query")
    if not keys.shape[0] or not count or not query.shape[0]:
        return Hits()
    found = find_nearest(&matrix[0, 0], &keys[0], matrix.shape[0], matrix.shape[1], &query[0], count)
    return as_hits(found)


@cython.final
cdef class WordTokens:
    """Words as rows of a table: each is the sum of its tokens' rows, divided by that sum's length.

    Made of ``(tokens, length)`` of each word. Raises OverflowError for a token that is not an unsigned 16-bit number, ValueError for
    a length that is not positive. It never changes.
    """

    cdef vector[uint16_t] tokens
    # Word i is tokens[starts[i]:starts[i + 1]], the last one goes to the end.
    cdef vector[uint32_t] starts
    cdef vector[float] lengths
    cdef uint16_t highest

    def __cinit__(self, words):
        cdef uint16_t token
        cdef float length
        for tokens, length in words:
            if not length > 0:
                raise ValueError("a word's length is positive")
            if self.tokens.size() + <size_t>len(tokens) > 0xFFFFFFFF:
                raise ValueError("too many tokens")
            self.starts.push_back(<uint32_t>self.tokens.size())
            self.lengths.push_back(length)
            for token in tokens:
                self.tokens.push_back(token)
                self.highest = max(self.highest, token)
        self.tokens.shrink_to_fit()
        self.starts.shrink_to_fit()
        self.lengths.shrink_to_fit()

    def __len__(self):
        """Words that are held."""
        return self.starts.size()

    @property
    def nbytes(self):
        """Bytes of memory that the words take."""
        return 120 + 2 * self.tokens.capacity() + 4 * (self.starts.capacity() + self.lengths.capacity())

    cdef cbool within(self, size_t rows) noexcept:
        """Whether all tokens are rows of a table of so many."""
        return self.tokens.empty() or self.highest < rows


@cython.final
cdef class WordSimilarity:
    """Late interaction over a ``table`` of token vectors, shape (tokens, columns), which is kept.

    Thread-safety: each method is one step under the interpreter lock.
    """

    cdef const float[:, ::1] table
    cdef Words* words

    def __cinit__(self, const float[:, ::1] table not None):
        if not table.shape[0] or not table.shape[1]:
            raise ValueError("an empty table")
        self.table = table
        self.words = new Words(&table[0, 0], table.shape[0], table.shape[1])

    def __dealloc__(self):
        del self.words

    def scores(self, WordTokens query not None, documents, weights, float floor):
        """For each of ``documents`` (words, or None) the sum over the query's words of ``weights[i]`` times the best cosine to any
        word of the document, where that is above ``floor``.

        Raises ValueError for words that are not in the table or more weights than words.
        """
        cdef WordTokens document
        cdef vector[float] best
        cdef vector[double] weight
        cdef size_t i
        cdef double total
        for each in weights:
            weight.push_back(each)
        if weight.size() > query.starts.size():
            raise ValueError("one weight a word")
        if not query.within(self.words.rows()):
            raise ValueError("a token is not in the table")
        if not weight.size() or query.tokens.empty():
            return [0.0 for _ in documents]
        self.words.query(
            query.tokens.data(), query.starts.data(), query.lengths.data(), query.starts.size(), query.tokens.size()
        )
        # A list of our own: each document that is compared was seen.
        held = list(documents)
        for document in held:
            if document is not None:
                if not document.within(self.words.rows()):
                    raise ValueError("a token is not in the table")
                self.words.see(
                    document.tokens.data(), document.starts.data(), document.lengths.data(), document.starts.size(),
                    document.tokens.size(),
                )
        self.words.multiply()
        best.resize(query.starts.size())
        result = []
        for document in held:
            total = 0.0
            if document is not None:
                self.words.document(
                    document.tokens.data(), document.starts.data(), document.lengths.data(), document.starts.size(),
                    document.tokens.size(), best.data(),
                )
                for i in range(weight.size()):
                    if best[i] > floor:
                        total += weight[i] * best[i]
            result.append(total)
        return result

    def unit_sum(self, tokens, row not None):
        """Write the sum of the rows of ``tokens``, one after the other, to ``row`` (float32, a number a column) and divide it by
        its length, which is returned (at least 1e-9). The square of the length is NumPy's: equal bits on one machine.

        Raises ValueError for a token that is not in the table or a ``row`` of another length.
        """
        cdef float[::1] total = row
        cdef Py_ssize_t token
        cdef size_t columns = self.table.shape[1]
        cdef bint first = True
        if <size_t>total.shape[0] != columns:
            raise ValueError("one number a column")
        for token in tokens:
            if not 0 <= token < self.table.shape[0]:
                raise ValueError("a token is not in the table")
            if first:
                copy(&self.table[token, 0], &self.table[token, 0] + columns, &total[0])
                first = False
            else:
                add(&total[0], &self.table[token, 0], columns)
        if first:
            total[:] = 0.0
        cdef double length = max(sqrt(<double>row.dot(row)), 1e-9)
        divide(&total[0], <float>length, columns)
        return length
