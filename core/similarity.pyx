# distutils: language = c++
"""Similarities of few vectors, for work that is too short to leave the interpreter lock for.

NumPy gives the lock away around each product and each sort; on a busy process the way back takes longer than the work. Source of
the late interaction: Khattab and Zaharia, *ColBERT* (2020), where it is called MaxSim.
"""

cimport cython
from libc.stdint cimport int64_t, uint16_t
from libcpp.vector cimport vector


cdef extern from "similarity.hpp" namespace "hexar::similarity" nogil:
    cdef cppclass Near:
        float product
        int64_t key

    vector[Near] find_nearest "hexar::similarity::nearest"(
        const float* matrix, const int64_t* keys, size_t rows, size_t columns, const float* query, size_t count
    ) except +

    cdef cppclass Words:
        Words(const float* table, size_t rows, size_t columns) except +
        size_t rows()
        void query(const uint16_t* tokens, const int64_t* starts, const float* norms, size_t words, size_t size) except +
        void document(
            const uint16_t* tokens, const int64_t* starts, const float* norms, size_t words, size_t size, float* best
        ) except +


def nearest(const float[:, ::1] matrix not None, const int64_t[::1] keys not None, const float[::1] query not None, Py_ssize_t count):
    """The keys of the ``count`` rows of ``matrix`` with the largest products with ``query``, and these; best first, ties by key.

    Raises ValueError where the shapes do not match or ``count`` is negative.
    """
    cdef size_t i
    cdef vector[Near] found
    if matrix.shape[0] != keys.shape[0] or matrix.shape[1] != query.shape[0] or count < 0:
        raise ValueError("one key a row, one column a number of the query")
    if not keys.shape[0] or not count or not query.shape[0]:
        return [], []
    found = find_nearest(&matrix[0, 0], &keys[0], matrix.shape[0], matrix.shape[1], &query[0], count)
    return [found[i].key for i in range(found.size())], [found[i].product for i in range(found.size())]


cdef int checked(const uint16_t[::1] tokens, const int64_t[::1] starts, const float[::1] norms, size_t rows) except -1:
    """Raise ValueError where reading would leave the arrays."""
    cdef Py_ssize_t i
    cdef int64_t before = 0
    if starts.shape[0] != norms.shape[0]:
        raise ValueError("one length a word")
    for i in range(starts.shape[0]):
        if starts[i] < before or starts[i] > tokens.shape[0]:
            raise ValueError("words begin inside the tokens, in order")
        before = starts[i]
    for i in range(tokens.shape[0]):
        if tokens[i] >= rows:
            raise ValueError("a token is not in the table")
    return 0


@cython.final
cdef class WordSimilarity:
    """Late interaction over a ``table`` of token vectors, shape (tokens, columns), which is kept.

    Words are given as ``(tokens, starts, norms)``: word ``i`` is ``tokens[starts[i]:starts[i + 1]]``, and its vector, the sum of
    its tokens' rows, has the length ``norms[i]``.

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

    def scores(self, query, documents, weights, float floor):
        """For each of ``documents`` (words, or None) the sum over the query's words of ``weights[i]`` times the best cosine to any
        word of the document, where that is above ``floor``.

        Raises ValueError for words that are not in the table or more weights than words.
        """
        cdef const uint16_t[::1] tokens
        cdef const int64_t[::1] starts
        cdef const float[::1] norms
        cdef vector[float] best
        cdef vector[double] weight
        cdef size_t i
        cdef double total
        tokens, starts, norms = query
        checked(tokens, starts, norms, self.words.rows())
        for each in weights:
            weight.push_back(each)
        if <Py_ssize_t>weight.size() > starts.shape[0]:
            raise ValueError("one weight a word")
        if not weight.size() or not tokens.shape[0]:
            return [0.0 for _ in documents]
        self.words.query(&tokens[0], &starts[0], &norms[0], starts.shape[0], tokens.shape[0])
        best.resize(starts.shape[0])
        result = []
        for document in documents:
            total = 0.0
            if document is not None:
                tokens, starts, norms = document
                checked(tokens, starts, norms, self.words.rows())
                if starts.shape[0] and tokens.shape[0]:
                    self.words.document(&tokens[0], &starts[0], &norms[0], starts.shape[0], tokens.shape[0], best.data())
                    for i in range(weight.size()):
                        if best[i] > floor:
                            total += weight[i] * best[i]
            result.append(total)
        return result
