"""Fuzzy retrieval of short names: exact top-k by IDF-weighted soft token matching, in milliseconds over millions of names.

**Tokens.** Text is folded (NFKC, case-folded, accents dropped, zero-width and directional marks removed) and cut into runs of
letters and digits; a run of two to four single letters is one token, so ``L/H``, ``l.h.`` and ``LH`` agree. Letters joined to
digits by a hyphen, dot or underscore are part of a code: the tables do not apply to the ``FR`` of ``FR-1234``. Then the data given
to the index speak: ``synonyms`` rewrite phrases, and phrases of ``constraints`` become one token for each value they mean.
A name is the *set* of its tokens.

**Score.** Every token t has the mass m(t) = idf(t) = ln(1 + N / names that hold t). Two tokens have a closeness c(q, t) from
0 to 1 (below). A query unit q takes the token t(q) of the name that is closest to it; then, with T the set of the tokens
so taken,

    P = Σ_q m(q) · c(q, t(q)) / Σ_q m(q)               how much of the query the name explains
    R = Σ_{t in T} max_q w(q, t) · c(q, t) / Σ_t m(t)  how much of the name the query explains
    score = √(P · R)

where w(q, t) is m(t) for the token itself and at most m(q) for one that is only close: a rare code that resembles a common
word is weak evidence, however rare it is. Where closeness is all or nothing this is the cosine of the two sets with squared
components idf (the weighted Ochiai coefficient); with closeness in between it is of the Soft TF-IDF family (Cohen, Ravikumar
and Fienberg, "A comparison of string distance metrics for name-matching tasks", IIWeb 2003), made symmetric so that it
cannot pass 1. The order of the tokens does not matter. Sums are sums of integers and the rest is two quotients, a product
and a root: the same bits on every platform. Equal scores are ordered by the smaller index.

**Closeness**, the largest of

* 1 for the token itself, and 0.9 for a word of several meanings (see ``synonyms``) and one of them;
* the normalised optimal string alignment similarity 1 - d / max(length), ``rapidfuzz.distance.OSA``, when both tokens have 3 to
  64 code points and d is at most 1, or 2 where the longer one has 7 or more;
* ½ + ½ · length ratio, when one word abbreviates the other: it is a prefix of three letters or more and at most three times
  shorter, or has no vowel after its first letter, occurs in order and is at least half as long (``brkt``, bracket); but not
  when more than 64 words would do;
* 0.95 times that of two neighbours of the query written as one ("head light" in a query, "headlight" in a name). The reverse
  is a cut: "headlight" in a query counts as the two units "head" and "light", and still as itself, where some name has the
  two side by side; a token that is unlike all others is cut where some name holds both halves, one possibly mistyped.

A unit that the vocabulary lacks weighs what its closest token weighs.

**Constraints** are groups of values that exclude each other, such as a side. They are compared before similarity: a name is
never returned when, in some group, both it and the query name values and none is shared. Who names no value is
compatible; a spelling listed under two values of a group may mean either. In a query only, an unknown word that misses a
constraint word of four letters or more by a slip ("lfet") is taken for it, and one that is such a word glued to a known one
("rearbumper") is taken for the two.

**Search** is exact: see ``fuzzy_search.hpp`` for the bounds and ``fuzzy_index.hpp`` for the look-up of close tokens.

**Limits.** ``MAX_QUERY_LENGTH`` characters and ``MAX_QUERY_TOKENS`` tokens a query (32); ``MAX_VALUES`` constraint values an index;
fewer than 2**32 - 1 names, tokens and bytes of distinct tokens. Names may have any length.

**Thread-safety.** An index never changes once it is built or loaded: any number of threads may search one at the same time.
The GIL is released for all but the folding of the query and the making of the result. Scratch memory belongs to the
thread (about two bytes a distinct token and a bit a name).
"""

import json
import mmap
import os
import struct
import unicodedata
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector


cdef extern from "search.hpp" namespace "hexar::fuzzy" nogil:
    cdef const uint32_t C_MAX_QUERY_TOKENS "hexar::fuzzy::MAX_QUERY_TOKENS"
    cdef const int SECTIONS
    cdef const uint32_t ONE

    cdef cppclass Tables:
        vector[uint64_t] groups
        CppRules rewritings
        void add_constraint(const vector[string]&, const vector[string]&, uint64_t) except +
        void add_kin(const string&, const string&) except +
        @staticmethod
        vector[string] words(string) except +

    cdef cppclass CppRules "hexar::fuzzy::Rules":
        void add(const vector[string]&, const vector[string]&, uint64_t) except +

    cdef enum class Section(int):
        TOKEN_BYTES

    cdef cppclass Index:
        Tables tables
        void bind(Section, const void*, uint64_t)
        const void* data(int)
        uint64_t bytes(int)
        uint32_t names()
        uint32_t vocabulary()
        cbool consistent()

    cdef struct Hit:
        double score
        uint32_t index

    vector[Hit] c_search "hexar::fuzzy::search"(
        const Index&, const char*, size_t, size_t, double, cbool) except +
    uint32_t c_closeness "hexar::fuzzy::closeness"(const string&, const string&) except +


cdef extern from "build.hpp" namespace "hexar::fuzzy" nogil:
    cdef cppclass Storage:
        pass

    cdef cppclass Builder:
        Builder(const Tables&) except +
        void add(const char*, size_t) except +
        void finish(Index&, Storage&) except +


#: Characters of a query, before folding.
MAX_QUERY_LENGTH = 4096
#: Tokens of a query.
MAX_QUERY_TOKENS = C_MAX_QUERY_TOKENS
#: Constraint values of one index, over all groups.
MAX_VALUES = 64

_MAGIC = b"HEXARFZY"
_VERSION = 1
_ORDER = 0x01020304
_HEAD = struct.Struct("=8sIIQII")  # magic, version, byte order, file size, sections, CRC-32 of all that follows the header
_SPAN = struct.Struct("=QQ")  # offset and bytes of a section
_CRC = struct.Struct("=I")
_ALIGN = 64
_HEADER_BYTES = _HEAD.size + (SECTIONS + 1) * _SPAN.size + _CRC.size


@dataclass(frozen=True, slots=True)
class Match:
    """A name that was found: its position in the sequence given to the index, and its score, above 0 and at most 1."""

    index: int
    score: float


class _Fold(dict):
    """A translation table that fills itself: None removes a character, a space separates, the rest stays."""

    ROOM = 8192  # so that hostile text cannot fill the memory

    def __missing__(self, code):
        char = chr(code)
        category = unicodedata.category(char)
        if category == "Cf" or 0x300 <= code < 0x370 or 0xFE00 <= code < 0xFE10:
            result = None
        elif 0x2010 <= code <= 0x2015 or code == 0x2212:
            result = 45  # all hyphens, dashes and the minus sign
        elif code < 128 or char.isalnum() or category[0] == "M":
            result = code  # the tokeniser reads ASCII marks itself
        else:
            result = 32
        if len(self) < self.ROOM:
            self[code] = result
        return result


_FOLD = _Fold()


@cache
def default_tables():
    """The tables of an index that is given none: sides, positions and common part names, English and Spanish.

    They hold only what is safe for names of any vehicle part: spellings that mean something else as often ("R", "driver
    side", "del" alone) are left to the tables that an application gives. The data is ``tables.json`` beside this module; a
    synonym holds for its plural as well ("faros", "headlamps", "pastillas de freno").
    """
    tables = json.loads(files("hexar.core.fuzzy").joinpath("tables.json").read_text("utf-8"))
    synonyms = tables["synonyms"]
    for phrase in list(synonyms):
        for plural in _plurals(phrase):
            synonyms.setdefault(plural, synonyms[phrase])
    return tables


def _plurals(str phrase):
    """The plurals of a phrase: of its last word, or of the first one before a Spanish "de"."""
    first, of, rest = phrase.partition(" de ")
    head, _, word = first.rpartition(" ")
    if len(word) < 4 or word.endswith("s") or not set(word) & set("aeiou"):
        return []
    endings = ("s",) if word.endswith(("a", "e", "i", "o", "u")) else ("s", "es")
    return [f"{head} {word}{ending}{of}{rest}".strip() for ending in endings]


def fold(str text not None):
    """Text as the index compares it: NFKC, case-folded, without accents and invisible characters; what
    separates is a space or an ASCII mark. ASCII is returned as it is, since the tokeniser folds it.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", text.translate(_FOLD))


def closeness(str a not None, str b not None):
    """Closeness of two tokens by spelling alone, 0 to 1: what the module's docstring lists, without synonyms and glue."""
    return c_closeness(fold(a).encode(), fold(b).encode()) / <double>ONE


cdef vector[string] _words(text) except *:
    if not isinstance(text, str):
        raise TypeError(f"a phrase is a str, not {type(text).__name__}")
    return Tables.words(<bytes>fold(text).encode())


cdef int _read_synonyms(Tables& tables, synonyms) except -1:
    cdef vector[string] pattern, meaning
    cdef string word
    for phrase, meanings in synonyms.items():
        pattern = _words(phrase)
        if pattern.empty():
            raise ValueError(f"the synonym {phrase!r} has no letter or digit")
        if isinstance(meanings, str):
            meaning = _words(meanings)
            if meaning.empty():
                raise ValueError(f"the meaning of {phrase!r} has no letter or digit")
            tables.rewritings.add(pattern, meaning, 0)
            continue
        if pattern.size() != 1:
            raise ValueError(f"only a single word can have several meanings, not {phrase!r}")
        for text in meanings:
            meaning = _words(text)
            for word in meaning:
                if word != pattern[0]:
                    tables.add_kin(pattern[0], word)
    return 0


cdef int _read_constraints(Tables& tables, constraints) except -1:
    cdef uint64_t group_mask, mask
    cdef vector[string] pattern, output
    cdef int bit = 0
    spellings = {}  # words of a spelling -> (mask, tokens)
    for group, values in constraints.items():
        group_mask = 0
        for value, phrases in values.items():
            if isinstance(phrases, str):
                raise TypeError(f"the spellings of {group}.{value} are a sequence of str, not one str")
            mask = 0
            if value:
                if bit == MAX_VALUES:
                    raise ValueError(f"an index has at most MAX_VALUES = {MAX_VALUES} constraint values")
                mask = <uint64_t>1 << bit
                bit += 1
            group_mask |= mask
            for phrase in phrases:
                pattern = _words(phrase)
                if pattern.empty():
                    raise ValueError(f"the spelling {phrase!r} of {group}.{value} has no letter or digit")
                bits, tokens = spellings.get(tuple(pattern), (0, ()))
                if value:
                    tokens = (*tokens, f"{group}:{value}".encode("utf-8", "surrogatepass"))
                spellings[tuple(pattern)] = (bits | mask, tokens)
        tables.groups.push_back(group_mask)
    for words, (bits, tokens) in spellings.items():
        pattern = words
        output = tokens or words
        tables.add_constraint(pattern, output, bits)
    return 0


@cython.final
cdef class FuzzyIndex:
    """An immutable index over names. ``FuzzyIndex(names, synonyms=..., constraints=...)`` builds, ``load`` maps a saved one.

    Args:
        names: the names, in the order that ``Match.index`` counts. They are not kept.
        synonyms: phrase to meaning. A str meaning replaces the phrase in names and queries (``{"assy": "assembly", "faro":
            "headlight"}``), before constraints are read and never twice. A sequence gives a single word several possible
            meanings (``{"lamp": ["light", "bulb"]}``): the word stays, and is close to each word of them.
        constraints: group to value to spellings, ``{"side": {"left": ["left", "LH", "izquierdo"], "right": [...]}}``. The longest
            phrase wins; spellings under the empty value say nothing about the group (``"": ["left hand drive"]``).

    Tables that are not given are those of :func:`default_tables`; an empty mapping stands for none.

    Raises:
        TypeError: a name or a phrase is not a str.
        ValueError: the tables hold an empty phrase, an ambiguous phrase of several words, or more than ``MAX_VALUES`` values.
        OverflowError: more names or tokens than an index holds.
    """

    cdef Index index
    cdef Storage storage
    cdef object _tables
    cdef object _map

    def __init__(self, names, *, synonyms=None, constraints=None):
        if isinstance(names, (str, bytes)):
            raise TypeError("names is a sequence of str, not one str")
        if self.index.bytes(0) or self._tables is not None:
            raise TypeError("an index is built once")
        if synonyms is None or constraints is None:
            tables = default_tables()
            synonyms = tables["synonyms"] if synonyms is None else synonyms
            constraints = tables["constraints"] if constraints is None else constraints
        self._read_tables(synonyms, constraints)
        cdef Builder* builder = new Builder(self.index.tables)
        cdef Py_ssize_t size
        cdef const char* text
        try:
            for position, name in enumerate(names):
                if not isinstance(name, str):
                    raise TypeError(f"names[{position}] is {type(name).__name__}, not str")
                folded = fold(name)
                text = PyUnicode_AsUTF8AndSize(folded, &size)
                builder.add(text, size)
            with nogil:
                builder.finish(self.index, self.storage)
        finally:
            del builder

    cdef int _read_tables(self, synonyms, constraints) except -1:
        self._tables = {
            "synonyms": {k: v if isinstance(v, str) else list(v) for k, v in (synonyms or {}).items()},
            "constraints": {
                g: {v: p if isinstance(p, str) else list(p) for v, p in values.items()} for g, values in (constraints or {}).items()
            },
        }
        _read_synonyms(self.index.tables, self._tables["synonyms"])
        _read_constraints(self.index.tables, self._tables["constraints"])
        return 0

    def __len__(self):
        return self.index.names()

    def __repr__(self):
        return f"<FuzzyIndex of {len(self)} names, {self.index.vocabulary()} distinct tokens>"

    @property
    def vocabulary_size(self):
        """How many distinct tokens the names have."""
        return self.index.vocabulary()

    def search(self, str query not None, Py_ssize_t limit=10, double min_score=0.0):
        """The ``limit`` best names with a score of at least ``min_score``, best first; equal scores by smaller index.

        Only names that share something close with the query, and contradict none of its constraints, are found.

        Raises:
            ValueError: ``limit`` is below 1, ``min_score`` is not within 0 and 1, or the query is longer than
                ``MAX_QUERY_LENGTH`` or has more than ``MAX_QUERY_TOKENS`` tokens.
        """
        return self._search(query, limit, min_score, False)

    def _search_exhaustive(self, str query not None, Py_ssize_t limit=10, double min_score=0.0):
        """``search`` without bounds: every name is scored. For tests and benchmarks."""
        return self._search(query, limit, min_score, True)

    cdef list _search(self, str query, Py_ssize_t limit, double least, cbool exhaustive):
        if limit < 1:
            raise ValueError(f"limit is {limit}: it must be at least 1")
        if not 0.0 <= least <= 1.0:
            raise ValueError(f"min_score is {least}: it must be within 0 and 1")
        if len(query) > MAX_QUERY_LENGTH:
            raise ValueError(f"the query has {len(query)} characters, more than MAX_QUERY_LENGTH = {MAX_QUERY_LENGTH}")
        cdef bytes text = fold(query).encode()
        cdef const char* data = PyBytes_AS_STRING(text)
        cdef size_t size = <size_t>PyBytes_GET_SIZE(text)
        cdef vector[Hit] hits
        with nogil:
            hits = c_search(self.index, data, size, <size_t>limit, least, exhaustive)
        return [Match(hit.index, hit.score) for hit in hits]

    def save(self, path):
        """Write the index to ``path``: whole or not at all (a temporary file beside it is renamed). Raises OSError."""
        tables = json.dumps(self._tables, ensure_ascii=True).encode()
        parts = [
            PyMemoryView_FromMemory(<char*>self.index.data(i), <Py_ssize_t>self.index.bytes(i), PyBUF_READ)
            for i in range(SECTIONS)
        ]
        parts.append(memoryview(tables))
        spans, crc, end = [], 0, _HEADER_BYTES
        for part in parts:
            gap = -end % _ALIGN
            crc = zlib.crc32(part, zlib.crc32(bytes(gap), crc))
            spans.append((end + gap, part.nbytes))
            end += gap + part.nbytes
        header = _HEAD.pack(_MAGIC, _VERSION, _ORDER, end, len(parts), crc) + b"".join(_SPAN.pack(*span) for span in spans)
        header += _CRC.pack(zlib.crc32(header))
        target = os.fspath(path)
        temporary = f"{os.fsdecode(target)}.{os.getpid()}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(header)
                for (offset, _), part in zip(spans, parts, strict=True):
                    file.write(bytes(offset - file.tell()))
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    @classmethod
    def load(cls, path):
        """Map a saved index. Its pages are shared by all processes that map the file, and read once here to check them.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no index, of another version or byte order, truncated, or changed since it was written.
        """
        cdef FuzzyIndex self = FuzzyIndex.__new__(FuzzyIndex)
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEADER_BYTES:
                raise ValueError(f"{path}: {size} bytes are too few for a fuzzy index")
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        view = memoryview(self._map)
        magic, version, order, length, sections, crc = _HEAD.unpack_from(view)
        if magic != _MAGIC:
            raise ValueError(f"{path}: not a fuzzy index")
        if order != _ORDER:
            raise ValueError(f"{path}: written on a machine of the other byte order")
        if version != _VERSION:
            raise ValueError(f"{path}: version {version} of the format, this is version {_VERSION}")
        if _CRC.unpack_from(view, _HEADER_BYTES - _CRC.size)[0] != zlib.crc32(view[: _HEADER_BYTES - _CRC.size]):
            raise ValueError(f"{path}: the header is damaged")
        if length != size:
            raise ValueError(f"{path}: truncated or extended, {size} bytes instead of {length}")
        spans = [_SPAN.unpack_from(view, _HEAD.size + i * _SPAN.size) for i in range(SECTIONS + 1)]
        sound, end = sections == SECTIONS + 1, _HEADER_BYTES
        for offset, count in spans:
            sound = sound and offset % _ALIGN == 0 and offset >= end
            end = offset + count
        if not sound or end != size or zlib.crc32(view[_HEADER_BYTES:]) != crc:
            raise ValueError(f"{path}: the contents are damaged")
        self._bind(view, spans)
        if not self.index.consistent():
            raise ValueError(f"{path}: the contents contradict each other")
        offset, count = spans[SECTIONS]
        try:
            tables = json.loads(bytes(view[offset : offset + count]))
            self._read_tables(tables["synonyms"], tables["constraints"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: the tables are damaged") from error
        return self

    cdef int _bind(self, const unsigned char[::1] view, list spans) except -1:
        cdef uint64_t offset, count
        cdef int i
        for i in range(SECTIONS):
            offset, count = spans[i]
            self.index.bind(<Section>i, &view[0] + offset, count)
        return 0
