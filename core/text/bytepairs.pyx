"""Byte-pair encoding of one word.

A word begins as its characters. The pair of neighbours that was merged first when the vocabulary was made is merged first, the
leftmost of equals, until no pair is known. Source: Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with
Subword Units* (2016).
"""

cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libcpp.vector cimport vector

# The rank of two tokens that are never merged: behind all others.
cdef uint32_t UNRANKED = 0xFFFFFFFF

# Two to the power of 64, divided by the golden ratio: its products spread (Knuth, volume 3, section 6.4).
cdef uint64_t FIBONACCI = 0x9E3779B97F4A7C15

cdef struct Merge:
    uint64_t pair
    uint32_t rank
    int32_t token


@cython.final
cdef class BytePairs:
    """An encoder for a ``vocabulary`` (token: number) and its ``merges`` (left and right token), the first merged first.

    A character that is no token becomes the tokens of its UTF-8 bytes, ``<0x00>`` to ``<0xFF>``. Raises KeyError where one of
    these, a side of a merge or its result is not in the vocabulary, OverflowError for a number that is not a signed 32-bit one,
    ValueError for a negative one.

    Thread-safety: never changes after it is built.
    """

    # By code point; what is no token is a negative number, which no merge has.
    cdef vector[int32_t] characters
    # A hash table with open addressing: a look-up reads one line of memory, mostly. It is at most half full.
    cdef vector[Merge] merges
    cdef int32_t octets[256]

    def __cinit__(self, vocabulary, merges):
        cdef Merge merge
        cdef size_t size = 2
        cdef uint32_t point
        ranked = list(merges)
        if min(vocabulary.values(), default=0) < 0:
            raise ValueError("the number of a token is not negative")
        for octet in range(256):
            self.octets[octet] = vocabulary[f"<0x{octet:02X}>"]
        for token, number in vocabulary.items():
            if len(token) == 1:
                point = ord(token)
                while self.characters.size() <= point:
                    self.characters.push_back(unknown(<uint32_t>self.characters.size()))
                self.characters[point] = number
        while size < <size_t>(2 * len(ranked)):
            size *= 2
        merge.pair, merge.rank, merge.token = 0, UNRANKED, 0
        self.merges.assign(size, merge)
        for rank, (left, right) in enumerate(ranked):
            merge.pair = pair(vocabulary[left], vocabulary[right])
            merge.rank = rank
            merge.token = vocabulary[left + right]
            self.merges[self.place(merge.pair)] = merge

    def encode(self, str word not None):
        """The numbers of the tokens of ``word``. The time grows with the square of its length.

        Raises UnicodeEncodeError for a lone surrogate.
        """
        cdef vector[int32_t] tokens
        cdef vector[Merge] merges  # of each token with the next
        cdef Py_UCS4 character
        cdef uint32_t point
        cdef size_t i, best
        tokens.reserve(len(word))
        merges.reserve(len(word))
        for character in word:
            point = <uint32_t>character
            tokens.push_back(self.characters[point] if point < self.characters.size() else unknown(point))
        for i in range(1, tokens.size()):
            merges.push_back(self.merge(tokens[i - 1], tokens[i]))
        while not merges.empty():
            best = 0
            for i in range(1, merges.size()):
                if merges[i].rank < merges[best].rank:
                    best = i
            if merges[best].rank == UNRANKED:
                break
            tokens[best] = merges[best].token
            tokens.erase(tokens.begin() + best + 1)
            merges.erase(merges.begin() + best)
            if best:
                merges[best - 1] = self.merge(tokens[best - 1], tokens[best])
            if best < merges.size():
                merges[best] = self.merge(tokens[best], tokens[best + 1])
        result = []
        for i in range(tokens.size()):
            if tokens[i] >= 0:
                result.append(tokens[i])
            else:
                result.extend([self.octets[octet] for octet in chr(unknown(tokens[i])).encode()])
        return tuple(result)

    cdef Merge merge(self, int32_t left, int32_t right) noexcept:
        """How the two are merged; unranked where they are not."""
        return self.merges[self.place(pair(left, right))]

    cdef size_t place(self, uint64_t wanted) noexcept:
        """Where a pair stands, or the free place where it would."""
        cdef size_t mask = self.merges.size() - 1
        cdef size_t place = (wanted * FIBONACCI) >> 32 & mask
        while self.merges[place].rank != UNRANKED and self.merges[place].pair != wanted:
            place = place + 1 & mask
        return place


cdef inline uint64_t pair(int32_t left, int32_t right) noexcept:
    return (<uint64_t>left << 32) | <uint32_t>right


cdef inline int32_t unknown(int32_t point) noexcept:
    """The number of a character that is no token, and back."""
    return -1 - point
