// The arrays of an index, how they are built, and how the words close to a word are found in them.
//
// All data are flat arrays of fixed-width integers: the same bytes are built in memory, written to a file and mapped back.
#pragma once

#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "text.hpp"

namespace hexar::fuzzy {

constexpr uint32_t NONE = 0xFFFFFFFFu;
constexpr uint32_t BIGRAM_BUCKETS = 1u << 12;
constexpr uint32_t ABBREVIATION_FANOUT = 64;  // an abbreviation of more words than this says nothing
constexpr uint32_t MIN_PART_LENGTH = 3;       // letters of each half of a compound
constexpr double MASS_SCALE = 65536.0;

// The sections of an index, in file order.
enum class Section : int {
    TOKEN_BYTES,     // char[]: the vocabulary, shortest first, then in byte order
    TOKEN_OFFSETS,   // u32[V + 1] into TOKEN_BYTES
    LENGTH_STARTS,   // u32[MAX_FUZZY_LENGTH + 3]: first token of each length in code points; the last class is "longer"
    TOKEN_SLOTS,     // u32[2^k]: open-addressing table of token + 1, 0 means empty
    TOKEN_MASSES,    // u32[V]: idf_mass
    TOKEN_LETTERS,   // u64[V]: letter_set
    TOKEN_CUTS,      // u8[V]: where a compound is cut, 0 means it is none
    BIGRAM_OFFSETS,  // u32[BIGRAM_BUCKETS + 1] into BIGRAM_TOKENS
    BIGRAM_TOKENS,   // u32[]: the tokens that hold a bigram, ascending
    POSTING_OFFSETS, // u32[V + 1] into POSTINGS
    POSTINGS,        // u32[]: the names that hold a token, ascending
    NAMES,           // Name[N + 1], sorted by mass, then index; the last one only ends the tokens of the one before
    NAME_TOKENS,     // u32[]: the distinct tokens of a name, ascending
    COUNT
};
constexpr int SECTIONS = static_cast<int>(Section::COUNT);

// What a search needs of a name, side by side in memory: a search visits names at random.
struct Name {
    uint64_t mass;         // sum of the masses of its tokens
    uint64_t mask;         // constraint bits
    uint32_t index;        // position in the caller's sequence
    uint32_t first_token;  // into NAME_TOKENS
};

inline uint64_t hash_token(std::string_view token) {  // FNV-1a, then a finalizer (Stafford's Mix13)
    uint64_t h = 0xCBF29CE484222325ull;
    for (const char c : token) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
    return h ^ (h >> 31);
}

inline uint32_t bigram_bucket(uint32_t a, uint32_t b) {
    const auto symbol = [](uint32_t c) -> uint32_t {
        if (c >= 'a' && c <= 'z') return c - 'a';
        if (c >= '0' && c <= '9') return 26 + c - '0';
        return c == 0 ? 36 : 37;  // 36: the edge of the token
    };
    const uint32_t x = symbol(a), y = symbol(b);
    if (x < 37 && y < 37) return x * 37 + y;
    return 37 * 37 + ((a * 2654435761u) ^ (b * 2246822519u)) % (BIGRAM_BUCKETS - 37 * 37);
}

// The distinct buckets of a token's bigrams, its edges included.
inline void bigrams(std::string_view token, std::vector<uint32_t>& buckets) {
    buckets.clear();
    uint32_t before = 0;
    for (size_t at = 0; at < token.size();) {
        const uint32_t c = next_code_point(token.data(), token.size(), at);
        buckets.push_back(bigram_bucket(before, c));
        before = c;
    }
    buckets.push_back(bigram_bucket(before, 0));
    std::sort(buckets.begin(), buckets.end());
    buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
}

// round(ln(1 + names / holders) * MASS_SCALE): the inverse document frequency of a token.
inline uint32_t idf_mass(uint64_t names, uint64_t holders) {
    const double idf = std::log(1.0 + static_cast<double>(names) / static_cast<double>(std::max<uint64_t>(holders, 1)));
    return std::max<uint32_t>(1, static_cast<uint32_t>(std::llround(idf * MASS_SCALE)));
}

struct Close {
    uint32_t token;
    uint32_t closeness;
};

// Scratch of one search: kept for each thread, so that a search allocates little.
struct LookupScratch {
    std::vector<uint32_t> buckets;
    std::vector<std::pair<const uint32_t*, const uint32_t*>> ranges;
    std::vector<uint8_t> counts;
    std::vector<uint32_t> candidates;
};

class Index {
  public:
    Tables tables;

    void bind(Section section, const void* data, uint64_t bytes) {
        data_[static_cast<int>(section)] = data;
        bytes_[static_cast<int>(section)] = bytes;
    }
    const void* data(int section) const { return data_[section]; }
    uint64_t bytes(int section) const { return bytes_[section]; }

    uint32_t names() const { return static_cast<uint32_t>(count<Name>(Section::NAMES) - 1); }
    uint32_t vocabulary() const { return static_cast<uint32_t>(count<uint32_t>(Section::TOKEN_MASSES)); }

    template <class T>
    const T* array(Section section) const {
        return static_cast<const T*>(data_[static_cast<int>(section)]);
    }
    template <class T>
    uint64_t count(Section section) const {
        return bytes_[static_cast<int>(section)] / sizeof(T);
    }

    std::string_view token(uint32_t id) const {
        const uint32_t* offsets = array<uint32_t>(Section::TOKEN_OFFSETS);
        return {array<char>(Section::TOKEN_BYTES) + offsets[id], offsets[id + 1] - offsets[id]};
    }
    uint32_t holders(uint32_t id) const {
        const uint32_t* offsets = array<uint32_t>(Section::POSTING_OFFSETS);
        return offsets[id + 1] - offsets[id];
    }
    uint32_t mass(uint32_t id) const { return array<uint32_t>(Section::TOKEN_MASSES)[id]; }

    uint32_t find(std::string_view text) const {
        const uint64_t size = count<uint32_t>(Section::TOKEN_SLOTS);
        const uint32_t* slots = array<uint32_t>(Section::TOKEN_SLOTS);
        for (uint64_t at = hash_token(text) & (size - 1);; at = (at + 1) & (size - 1)) {
            if (slots[at] == 0) return NONE;
            if (token(slots[at] - 1) == text) return slots[at] - 1;
        }
    }

    // Does some name hold both tokens? The shorter list is looked up in the longer one.
    bool meet(uint32_t a, uint32_t b) const {
        if (holders(a) > holders(b)) std::swap(a, b);
        const uint32_t* offsets = array<uint32_t>(Section::POSTING_OFFSETS);
        const uint32_t* postings = array<uint32_t>(Section::POSTINGS);
        const uint32_t* end = postings + offsets[b + 1];
        const uint32_t* from = postings + offsets[b];
        for (uint32_t at = offsets[a]; at < offsets[a + 1] && from != end; ++at) {
            from = std::lower_bound(from, end, postings[at]);
            if (from != end && *from == postings[at]) return true;
        }
        return false;
    }

    // Tokens of a length class: [first, last).
    std::pair<uint32_t, uint32_t> of_length(uint32_t length) const {
        const uint32_t* starts = array<uint32_t>(Section::LENGTH_STARTS);
        return {starts[length], starts[length + 1]};
    }

    // The tokens within the allowed edits of `text`, itself excluded. `most` lowers the allowance.
    void similar(std::string_view text, uint32_t most, LookupScratch& scratch, std::vector<Close>& out) const;

    // The words that `text` abbreviates and those that abbreviate it.
    void abbreviations(std::string_view text, std::vector<Close>& out) const;

    // Every array refers only to what exists: a file that passes cannot make a search read out of bounds.
    bool consistent() const;

  private:
    // First token of [first, last) that is not below `text` in byte order.
    uint32_t lower_bound(uint32_t first, uint32_t last, std::string_view text) const {
        while (first < last) {
            const uint32_t middle = first + (last - first) / 2;
            if (token(middle) < text) first = middle + 1;
            else last = middle;
        }
        return first;
    }

    const void* data_[SECTIONS] = {};
    uint64_t bytes_[SECTIONS] = {};
};

// Candidates share enough bigrams: one edit changes at most three of them (a swap of neighbours does), so a token within
// k edits keeps at least |bigrams| - 3k of the query's. Source: the count filter of Gravano et al., "Approximate string joins
// in a database (almost) for free", VLDB 2001, with 3 in place of q because swaps count as one edit here.
inline void Index::similar(std::string_view text, uint32_t most, LookupScratch& scratch, std::vector<Close>& out) const {
    const uint32_t length = code_points(text);
    const uint64_t letters = letter_set(text);
    if (length < MIN_FUZZY_LENGTH || length > MAX_FUZZY_LENGTH || (letters & EXACT_ONLY) != 0) return;
    const uint64_t* sets = array<uint64_t>(Section::TOKEN_LETTERS);
    const uint32_t* offsets = array<uint32_t>(Section::BIGRAM_OFFSETS);
    const uint32_t* tokens = array<uint32_t>(Section::BIGRAM_TOKENS);
    const Pattern pattern(text);
    bigrams(text, scratch.buckets);
    for (uint32_t other = length > 2 + MIN_FUZZY_LENGTH ? length - 2 : MIN_FUZZY_LENGTH;
         other <= std::min(length + 2, MAX_FUZZY_LENGTH); ++other) {
        const uint32_t longer = std::max(length, other), gap = longer - std::min(length, other);
        const uint32_t edits = std::min(most, allowed_edits(longer));
        if (gap > edits) continue;
        const auto [first, last] = of_length(other);
        if (first == last) continue;
        const auto check = [&](uint32_t id) {
            if ((sets[id] & EXACT_ONLY) != 0) return;
            if (!at_most(letters & ~sets[id], edits) || !at_most(sets[id] & ~letters, edits)) return;
            const uint32_t distance = pattern.distance(token(id));
            if (distance != 0 && distance <= edits) out.push_back({id, edit_closeness(distance, longer)});
        };
        // As many edits as the lengths differ are losses (two bigrams of the text each) or additions (one).
        const uint32_t spoiled = gap * (other < length ? 2 : 1) + 3 * (edits - gap);
        if (scratch.buckets.size() <= spoiled) {
            for (uint32_t id = first; id < last; ++id) check(id);
            continue;
        }
        uint32_t needed = static_cast<uint32_t>(scratch.buckets.size()) - spoiled;
        scratch.ranges.clear();
        for (const uint32_t bucket : scratch.buckets) {
            const uint32_t* end = tokens + offsets[bucket + 1];
            const uint32_t* from = std::lower_bound(tokens + offsets[bucket], end, first);
            scratch.ranges.emplace_back(from, std::lower_bound(from, end, last));
        }
        // The longest lists say least: whoever is in enough lists is still in enough of the others when a few are left out.
        const uint32_t left_out = needed / 4;
        std::sort(scratch.ranges.begin(), scratch.ranges.end(),
                  [](const auto& a, const auto& b) { return a.second - a.first < b.second - b.first; });
        scratch.ranges.resize(scratch.ranges.size() - left_out);
        needed -= left_out;
        scratch.counts.assign(last - first, 0);
        scratch.candidates.clear();
        for (const auto& range : scratch.ranges) {
            for (const uint32_t* at = range.first; at != range.second; ++at) {
                if (++scratch.counts[*at - first] == needed) scratch.candidates.push_back(*at);
            }
        }
        for (const uint32_t id : scratch.candidates) check(id);
    }
}

inline void Index::abbreviations(std::string_view text, std::vector<Close>& out) const {
    if (text.size() < MIN_FUZZY_LENGTH || text.size() > MAX_FUZZY_LENGTH || !is_word(text)) return;
    const uint64_t* sets = array<uint64_t>(Section::TOKEN_LETTERS);
    const uint64_t letters = letter_set(text);
    const uint32_t size = static_cast<uint32_t>(text.size());
    const auto visit = [&](std::string_view prefix, uint32_t length, auto&& accept) {
        const auto [first, last] = of_length(length);
        for (uint32_t id = lower_bound(first, last, prefix); id < last; ++id) {
            if (token(id).substr(0, prefix.size()) != prefix) break;
            accept(id);
        }
    };
    // Longer words that the text abbreviates.
    size_t start = out.size();
    const bool skeleton = is_skeleton(text);
    for (uint32_t length = size + 1; length <= std::min(MAX_EXPANSION * size, MAX_FUZZY_LENGTH); ++length) {
        visit(skeleton ? text.substr(0, 1) : text, length, [&](uint32_t id) {
            if ((letters & ~sets[id]) != 0 || (sets[id] & NOT_LETTERS) != 0 || out.size() - start > ABBREVIATION_FANOUT) return;
            if (abbreviates(text, token(id))) out.push_back({id, abbreviation_closeness(size, length)});
        });
    }
    if (out.size() - start > ABBREVIATION_FANOUT) out.resize(start);
    // Shorter words that abbreviate the text.
    start = out.size();
    for (uint32_t length = std::max(MIN_FUZZY_LENGTH, (size + MAX_EXPANSION - 1) / MAX_EXPANSION); length < size; ++length) {
        visit(text.substr(0, 1), length, [&](uint32_t id) {
            if ((sets[id] & ~letters) != 0 || out.size() - start > ABBREVIATION_FANOUT) return;
            if (abbreviates(token(id), text)) out.push_back({id, abbreviation_closeness(length, size)});
        });
    }
    if (out.size() - start > ABBREVIATION_FANOUT) out.resize(start);
}

inline bool Index::consistent() const {
    const auto ascending = [](const uint32_t* offsets, uint64_t entries, uint64_t total) {
        if (offsets[0] != 0 || offsets[entries] != total) return false;
        for (uint64_t i = 0; i < entries; ++i) {
            if (offsets[i] > offsets[i + 1]) return false;
        }
        return true;
    };
    const auto below = [](const uint32_t* values, uint64_t entries, uint64_t limit) {
        uint32_t highest = 0;
        for (uint64_t i = 0; i < entries; ++i) highest = std::max(highest, values[i]);
        return entries == 0 || highest < limit;
    };
    const uint64_t v = vocabulary(), n = names(), slots = count<uint32_t>(Section::TOKEN_SLOTS);
    const bool sized = count<uint32_t>(Section::TOKEN_OFFSETS) == v + 1 && count<uint64_t>(Section::TOKEN_LETTERS) == v &&
                       count<uint8_t>(Section::TOKEN_CUTS) == v && count<uint32_t>(Section::POSTING_OFFSETS) == v + 1 &&
                       count<uint32_t>(Section::LENGTH_STARTS) == MAX_FUZZY_LENGTH + 3 && slots > v &&
                       (slots & (slots - 1)) == 0 && count<uint32_t>(Section::BIGRAM_OFFSETS) == BIGRAM_BUCKETS + 1 &&
                       n != NONE;
    if (!sized) return false;
    const Name* all = array<Name>(Section::NAMES);
    const uint64_t name_tokens = count<uint32_t>(Section::NAME_TOKENS);
    if (all[0].first_token != 0 || all[n].first_token != name_tokens) return false;
    for (uint64_t i = 0; i < n; ++i) {
        if (all[i].first_token > all[i + 1].first_token || all[i].index >= n) return false;
    }
    const uint32_t* table = array<uint32_t>(Section::TOKEN_SLOTS);
    const uint64_t used = static_cast<uint64_t>(slots - std::count(table, table + slots, 0u));
    const uint8_t* cuts = array<uint8_t>(Section::TOKEN_CUTS);
    for (uint32_t id = 0; id < v; ++id) {
        if (cuts[id] != 0 && cuts[id] >= token(id).size()) return false;
    }
    return used == v && below(table, slots, v + 1) &&
           ascending(array<uint32_t>(Section::TOKEN_OFFSETS), v, bytes(static_cast<int>(Section::TOKEN_BYTES))) &&
           ascending(array<uint32_t>(Section::LENGTH_STARTS), MAX_FUZZY_LENGTH + 2, v) &&
           ascending(array<uint32_t>(Section::BIGRAM_OFFSETS), BIGRAM_BUCKETS, count<uint32_t>(Section::BIGRAM_TOKENS)) &&
           ascending(array<uint32_t>(Section::POSTING_OFFSETS), v, count<uint32_t>(Section::POSTINGS)) &&
           below(array<uint32_t>(Section::BIGRAM_TOKENS), count<uint32_t>(Section::BIGRAM_TOKENS), v) &&
           below(array<uint32_t>(Section::POSTINGS), count<uint32_t>(Section::POSTINGS), n) &&
           below(array<uint32_t>(Section::NAME_TOKENS), name_tokens, v);
}

}  // namespace hexar::fuzzy
