# distutils: language = c++
"""Byte-pair encoding of one word.

A word begins as its characters. The pair of neighbours that was merged first when the vocabulary was made is merged first, the
leftmost of equals, until no pair is known. Source: Sennrich, Haddow and Birch, *Neural Machine Translation of Rare Words with
Subword Units* (2016).
"""

cimport cython
from cython.operator cimport dereference as deref
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libcpp.unordered_map cimport unordered_map
from libcpp.vector cimport vector

# The rank of two tokens that are never merged: behind all others.
cdef uint32_t UNRANKED = 0xFFFFFFFF

cdef struct Merge:
    uint32_t rank
    int32_t token


@cython.final
cdef class BytePairs:
    """An encoder for a ``vocabulary`` (token: number) and its ``merges`` (left and right token), the first merged first.

    A character that is no token becomes the tokens of its UTF-8 bytes, ``<0x00>`` to ``<0xFF>``. Raises KeyError where one of
    these, a side of a merge or its result is not in the vocabulary.

    Thread-safety: never changes after it is built.
    """

    cdef unordered_map[Py_UCS4, int32_t] characters
    cdef unordered_map[uint64_t, Merge] merges
    cdef int32_t octets[256]

    def __init__(self, vocabulary, merges):
        cdef Merge merge
        for octet in range(256):
            self.octets[octet] = vocabulary[f"<0x{octet:02X}>"]
        for token, number in vocabulary.items():
            if len(token) == 1:
                self.characters[<Py_UCS4>ord(token)] = number
        for rank, (left, right) in enumerate(merges):
            merge.rank = rank
            merge.token = vocabulary[left + right]
            self.merges[pair(vocabulary[left], vocabulary[right])] = merge

    def encode(self, str word not None):
        """The numbers of the tokens of ``word``. The time grows with the square of its length.

        Raises UnicodeEncodeError for a lone surrogate.
        """
        cdef vector[int32_t] tokens
        cdef vector[Merge] merges  # of each token with the next
        cdef Py_UCS4 character
        cdef size_t i, best
        for character in word:
            found = self.characters.find(character)
            # What is no token is kept as a negative number, which no merge has.
            tokens.push_back(deref(found).second if found != self.characters.end() else -1 - <int32_t>character)
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
                result.extend([self.octets[octet] for octet in chr(-1 - tokens[i]).encode()])
        return tuple(result)

    cdef Merge merge(self, int32_t left, int32_t right) noexcept:
        cdef Merge none
        found = self.merges.find(pair(left, right))
        if left < 0 or right < 0 or found == self.merges.end():
            none.rank, none.token = UNRANKED, 0
            return none
        return deref(found).second


cdef inline uint64_t pair(int32_t left, int32_t right) noexcept:
    return (<uint64_t>left << 32) | <uint32_t>right
