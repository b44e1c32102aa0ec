"""BM25 over an inverted index in memory, and the two scores by which a few documents are ordered anew.

A document is a key and its terms, between blanks, one line a sentence. Parameters are those of SQLite FTS5 (k1 1.2, b 0.75); a
term's weight is ``log(1 + (N - n + 0.5) / (n + 0.5))``, as Lucene has it, which is never negative. Source: Robertson and
Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond* (2009).
"""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.pair cimport pair
from libcpp.string cimport string
from libcpp.vector cimport vector

from hexar.core.search.hits cimport Hit, Hits, as_hits

#: Groups of words that :meth:`Postings.weigh` takes.
GROUPS = 64


cdef extern from "postings.hpp" namespace "hexar::postings" nogil:
    const uint32_t NONE

    cdef cppclass Weight:
        double score
        double window

    cdef cppclass Index:
        size_t documents()
        uint64_t terms()
        double average()
        size_t bytes()
        cbool holds(int64_t key)
        void add(int64_t key, const char* text, size_t size) except +
        cbool remove(int64_t key) except +
        uint32_t frequency(uint32_t term)
        double rarity(uint32_t frequency)
        vector[Hit] search(const vector[string]& words, size_t limit, size_t budget) except +
        vector[Weight] weigh(
            const vector[int64_t]& keys, const vector[pair[uint32_t, uint32_t]]& groups, const vector[double]& rarities
        ) except +
        uint32_t term(const string& word)


@cython.final
cdef class Postings:
    """An index of documents by their terms.

    Thread-safety: none; whoever shares one holds a lock around each call.
    """

    cdef Index index

    def __len__(self):
        """Documents that are held."""
        return self.index.documents()

    def __contains__(self, int64_t key):
        return self.index.holds(key)

    @property
    def average(self):
        """Terms of a document on average; at least 1."""
        return self.index.average()

    @property
    def nbytes(self):
        """About how many bytes of memory the index takes."""
        return self.index.bytes()

    def add(self, int64_t key, str terms not None):
        """Hold a document; one that is held under ``key`` is replaced."""
        cdef bytes text = terms.encode()
        self.index.add(key, text, len(text))

    def remove(self, int64_t key):
        """Forget a document; False where it is not held."""
        return self.index.remove(key)

    def frequency(self, str term not None):
        """The number of documents that hold ``term``."""
        cdef string word = term.encode()
        return self.index.frequency(self.index.term(word))

    def search(self, terms, Py_ssize_t limit, Py_ssize_t budget):
        """The best ``limit`` documents as :class:`~hexar.core.search.hits.Hits`, best first, ties by key.

        The rarest of ``terms`` are scored whose postings together are at most ``budget``, and one at least. Raises
        ValueError for a negative limit or budget.
        """
        cdef vector[string] words
        cdef vector[Hit] found
        if limit < 0 or budget < 0:
            raise ValueError("limit and budget must not be negative")
        for term in terms:
            words.push_back((<str?>term).encode())
        found = self.index.search(words, limit, budget)
        return as_hits(found)

    def weigh(self, const vector[int64_t]& keys, groups):
        """For each of ``keys`` its BM25 over ``groups``, and the most rarity in two neighbouring lines; also each group's
        rarity.

        A group is a sequence of terms that count as one word, as rare as its most frequent term; a term that is in several
        groups belongs to the last. Raises ValueError for more than :data:`GROUPS` groups.
        """
        cdef vector[pair[uint32_t, uint32_t]] members
        cdef vector[double] rarities
        cdef vector[Weight] weights
        cdef uint32_t place = 0, number, most
        cdef string word
        if len(groups) > GROUPS:
            raise ValueError(f"at most {GROUPS} groups")
        for group in groups:
            most = 0
            for term in group:
                word = (<str?>term).encode()
                number = self.index.term(word)
                most = max(most, self.index.frequency(number))
                if number != NONE:
                    members.push_back(pair[uint32_t, uint32_t](number, place))
            rarities.push_back(self.index.rarity(most))
            place += 1
        weights = self.index.weigh(keys, members, rarities)
        return (
            [weights[i].score for i in range(weights.size())],
            [weights[i].window for i in range(weights.size())],
            [rarities[i] for i in range(rarities.size())],
        )
