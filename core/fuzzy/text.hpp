// Text to tokens: the tokeniser, the rewriting rules that come from data, and the closeness of two tokens.
//
// Nothing here touches Python, so all of it runs without the GIL. Text arrives folded (see fuzzy.pyx): non-ASCII separators
// are spaces already, ASCII separators and capitals are handled here because that is where most names end.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hexar::fuzzy {

// Closeness is a fixed-point number: all sums over it are sums of integers, exact and independent of their order.
constexpr uint32_t ONE = 1u << 16;

constexpr uint32_t MIN_FUZZY_LENGTH = 3;    // code points; shorter tokens match only themselves
constexpr uint32_t MAX_FUZZY_LENGTH = 64;   // code points; the bit-parallel kernel uses one machine word
constexpr uint32_t TWO_EDITS_FROM = 7;      // code points of the longer token; below it one edit is allowed
constexpr uint32_t MAX_ACRONYM = 4;         // letters of a run such as "l/h" or "A.B.S." that become one token
constexpr uint32_t MAX_EXPANSION = 3;       // a prefix is at most this many times shorter than its word
constexpr uint32_t MAX_SKELETON = 2;        // a word without its vowels, this many times

// Edits that two tokens may differ by, where `longer` is the length of the longer one.
inline uint32_t allowed_edits(uint32_t longer) {
    return longer < TWO_EDITS_FROM ? 1 : 2;
}

// One code point of UTF-8 at `at`, which moves past it. Broken bytes stand for themselves: never read past `end`.
inline uint32_t next_code_point(const char* text, size_t end, size_t& at) {
    const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
    const uint32_t first = byte(at++);
    if (first < 0x80) return first;
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    uint32_t value = first & (0x3Fu >> more);
    for (int i = 0; i < more && at < end; ++i) value = (value << 6) | (byte(at++) & 0x3Fu);
    return value;
}

inline uint32_t code_points(std::string_view token) {
    uint32_t count = 0;
    for (const char c : token) count += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
    return count;
}

inline bool is_ascii_letter(char c) {
    return c >= 'a' && c <= 'z';
}

// A word is made of ASCII letters only: codes and numbers are never abbreviated, glued or split by spelling rules.
inline bool is_word(std::string_view token) {
    return !token.empty() && std::all_of(token.begin(), token.end(), is_ascii_letter);
}

inline bool is_vowel(char c) {
    return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u';
}

// True for words such as "brkt", "assy" or "alt" without its tail: no vowel after the first letter.
inline bool is_skeleton(std::string_view word) {
    return std::none_of(word.begin() + 1, word.end(), is_vowel);
}

inline bool is_subsequence(std::string_view small, std::string_view large) {
    size_t at = 0;
    for (const char c : large) at += at < small.size() && small[at] == c;
    return at == small.size();
}

// Does `small` abbreviate `large`? A prefix of at least three letters does ("susp", suspension), and so does a word
// without inner vowels whose letters appear in order ("brkt", bracket).
inline bool abbreviates(std::string_view small, std::string_view large) {
    if (small.size() < MIN_FUZZY_LENGTH || small.size() >= large.size() || large.size() > MAX_EXPANSION * small.size()) {
        return false;
    }
    if (small[0] != large[0] || !is_word(small) || !is_word(large)) return false;
    if (large.substr(0, small.size()) == small) return true;
    return large.size() <= MAX_SKELETON * small.size() && is_skeleton(small) && is_subsequence(small, large);
}

inline uint32_t abbreviation_closeness(size_t small, size_t large) {
    return ONE / 2 + static_cast<uint32_t>((ONE / 2) * small / large);
}

// 1 - distance / longer, rounded to the nearest fixed-point number.
inline uint32_t edit_closeness(uint32_t distance, uint32_t longer) {
    return (ONE * (longer - distance) + longer / 2) / longer;
}

// The letters of a token as a set: 26 letters, 10 digits, 27 shared bits for the rest. The last bit marks tokens that
// only match themselves: those of constraints.
constexpr uint64_t EXACT_ONLY = 1ull << 63;
constexpr uint64_t NOT_LETTERS = ~((1ull << 26) - 1);

inline uint64_t letter_set(std::string_view token) {
    uint64_t set = 0;
    for (size_t at = 0; at < token.size();) {
        const uint32_t c = next_code_point(token.data(), token.size(), at);
        if (c >= 'a' && c <= 'z') set |= 1ull << (c - 'a');
        else if (c >= '0' && c <= '9') set |= 1ull << (26 + c - '0');
        else if (c == ':') set |= EXACT_ONLY;
        else set |= 1ull << (36 + c % 27);
    }
    return set;
}

// k edits remove at most k letters from a set: false means the distance is certainly above k (k is 1 or 2).
inline bool at_most(uint64_t lost, uint32_t k) {
    lost &= lost - (lost != 0);
    if (k > 1) lost &= lost - (lost != 0);
    return lost == 0;
}

// Optimal string alignment distance (edits and swaps of neighbours, each substring edited once) in O(|token|) words.
// Source: H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", Nordic Journal of
// Computing 10 (2003). The metric is the one of rapidfuzz.distance.OSA.
class Pattern {
  public:
    explicit Pattern(std::string_view token) : length_(code_points(token)) {
        ascii_.fill(0);
        uint32_t i = 0;
        for (size_t at = 0; at < token.size() && i < MAX_FUZZY_LENGTH; ++i) {
            const uint32_t c = next_code_point(token.data(), token.size(), at);
            if (c < 128) ascii_[c] |= 1ull << i;
            else other_[c] |= 1ull << i;
        }
    }

    uint32_t length() const { return length_; }

    uint32_t distance(std::string_view token) const {
        if (length_ == 0 || length_ > MAX_FUZZY_LENGTH) return std::max(length_, code_points(token));
        uint64_t vp = ~0ull, vn = 0, d0 = 0, before = 0;
        uint32_t distance = length_;
        const uint64_t last = 1ull << (length_ - 1);
        for (size_t at = 0; at < token.size();) {
            const uint32_t c = next_code_point(token.data(), token.size(), at);
            const uint64_t match = c < 128 ? ascii_[c] : find(c);
            const uint64_t swap = ((~d0 & match) << 1) & before;
            d0 = (((match & vp) + vp) ^ vp) | match | vn | swap;
            uint64_t hp = vn | ~(d0 | vp);
            uint64_t hn = d0 & vp;
            distance += (hp & last) != 0;
            distance -= (hn & last) != 0;
            hp = (hp << 1) | 1;
            hn <<= 1;
            vp = hn | ~(d0 | hp);
            vn = hp & d0;
            before = match;
        }
        return distance;
    }

  private:
    uint64_t find(uint32_t c) const {
        const auto found = other_.find(c);
        return found == other_.end() ? 0 : found->second;
    }

    std::array<uint64_t, 128> ascii_;
    std::map<uint32_t, uint64_t> other_;
    uint32_t length_;
};

// Fixed-point closeness of two different tokens, by spelling alone; 0 means not close.
inline uint32_t closeness(std::string_view a, std::string_view b) {
    if (a == b) return ONE;
    if (((letter_set(a) | letter_set(b)) & EXACT_ONLY) != 0) return 0;
    const uint32_t la = code_points(a), lb = code_points(b);
    const uint32_t shorter = std::min(la, lb), longer = std::max(la, lb);
    if (shorter < MIN_FUZZY_LENGTH || longer > MAX_FUZZY_LENGTH) return 0;
    uint32_t best = 0;
    if (longer - shorter <= allowed_edits(longer)) {
        const uint32_t distance = Pattern(a).distance(b);
        if (distance <= allowed_edits(longer)) best = edit_closeness(distance, longer);
    }
    const std::string_view small = a.size() < b.size() ? a : b, large = a.size() < b.size() ? b : a;
    if (abbreviates(small, large)) best = std::max(best, abbreviation_closeness(small.size(), large.size()));
    return best;
}

struct Token : std::string_view {
    bool fragment = false;  // letters joined to digits by a mark, "FR" in "FR-1234": part of a code, never a word of a table

    Token(std::string_view text) : std::string_view(text) {}
};

inline bool has_digit(std::string_view token) {
    return std::any_of(token.begin(), token.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Tokens are runs of letters and digits, in small letters. Runs of two to four single letters are one token, so that
// "L/H", "l.h." and "LH" agree. `text` is rewritten in place; the tokens point into it.
inline void tokenize(std::string& text, std::vector<Token>& tokens) {
    tokens.clear();
    size_t out = 0, run = 0;  // run: how many tokens at the end of `tokens` are single letters
    bool joined = false;      // is the token that begins here joined to the one before?
    const size_t size = text.size();
    const auto join_run = [&] {
        if (run >= 2 && run <= MAX_ACRONYM) {
            const size_t first = tokens.size() - run;
            char* start = &text[static_cast<size_t>(tokens[first].data() - text.data())];
            for (size_t i = 0; i < run; ++i) start[i] = tokens[first + i][0];
            tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end());
            tokens.push_back(std::string_view(start, run));
        }
        run = 0;
    };
    for (size_t at = 0; at < size;) {
        const size_t start = out;
        while (at < size) {
            const char c = text[at];
            const bool capital = c >= 'A' && c <= 'Z';
            if (!(capital || is_ascii_letter(c) || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80)) break;
            text[out++] = capital ? static_cast<char>(c + 32) : c;
            ++at;
        }
        const bool mark = at < size && (text[at] == '-' || text[at] == '.' || text[at] == '_');
        ++at;
        if (out == start) {
            joined = false;
            continue;
        }
        Token token(std::string_view(text.data() + start, out - start));
        ++out;  // one separator stays between tokens
        if (joined) {
            const bool before = has_digit(tokens.back()), now = has_digit(token);
            if (now && !before) tokens.back().fragment = true;
            if (before && !now) token.fragment = true;
        }
        const bool letter = token.size() == 1 && is_ascii_letter(token[0]);
        if (!letter) join_run();
        tokens.push_back(token);
        run = letter ? run + 1 : 0;
        joined = mark;
    }
    join_run();
}

// One rewriting: the tokens on the left become the tokens on the right and set bits of the constraint mask.
struct Rule {
    std::vector<std::string> pattern;
    std::vector<std::string> output;
    uint64_t mask;
};

// A table of rules, applied from left to right, the longest pattern first, never to its own output.
class Rules {
  public:
    void add(const std::vector<std::string>& pattern, const std::vector<std::string>& output, uint64_t mask) {
        if (pattern.empty()) return;
        auto& rules = table_[pattern.front()];
        rules.push_back({pattern, output, mask});
        std::stable_sort(rules.begin(), rules.end(),
                         [](const Rule& a, const Rule& b) { return a.pattern.size() > b.pattern.size(); });
    }

    bool empty() const { return table_.empty(); }
    const std::map<std::string, std::vector<Rule>, std::less<>>& table() const { return table_; }

    // The rule of exactly this pattern, or null.
    const Rule* exact(const std::vector<std::string>& pattern) const {
        const auto found = pattern.empty() ? table_.end() : table_.find(pattern.front());
        if (found == table_.end()) return nullptr;
        for (const Rule& rule : found->second) {
            if (rule.pattern == pattern) return &rule;
        }
        return nullptr;
    }

    // The rule of one word, or null.
    const Rule* word(std::string_view text) const {
        const auto found = table_.find(text);
        return found == table_.end() || found->second.back().pattern.size() != 1 ? nullptr : &found->second.back();
    }

    // The longest rule that matches at `at`, or null.
    const Rule* match(const std::vector<Token>& tokens, size_t at) const {
        const auto found = table_.find(tokens[at]);
        if (found == table_.end()) return nullptr;
        for (const Rule& rule : found->second) {
            if (rule.pattern.size() > tokens.size() - at) continue;
            const auto same = [](const std::string& word, const Token& token) { return !token.fragment && word == token; };
            if (std::equal(rule.pattern.begin(), rule.pattern.end(), tokens.begin() + static_cast<std::ptrdiff_t>(at), same)) {
                return &rule;
            }
        }
        return nullptr;
    }

    // Rewrite `tokens`; returns the bits that the rules set. The new tokens may point into the rules.
    uint64_t apply(std::vector<Token>& tokens, std::vector<Token>& scratch) const {
        if (table_.empty()) return 0;
        uint64_t mask = 0;
        scratch.clear();
        for (size_t at = 0; at < tokens.size();) {
            const Rule* rule = match(tokens, at);
            if (rule == nullptr) {
                scratch.push_back(tokens[at++]);
                continue;
            }
            for (const std::string& token : rule->output) scratch.push_back(std::string_view(token));
            mask |= rule->mask;
            at += rule->pattern.size();
        }
        tokens.swap(scratch);
        return mask;
    }

  private:
    std::map<std::string, std::vector<Rule>, std::less<>> table_;
};

// All that data says about words. Rewriting first, then constraints, so that a synonym may lead to a constraint.
struct Tables {
    Rules rewritings;
    Rules constraints;
    std::vector<uint64_t> groups;                                      // the bits of each constraint group
    std::map<std::string, std::vector<std::string>, std::less<>> kin;  // words of several meanings, both directions

    // `text` is folded; so are the words of every table.
    static std::vector<std::string> words(std::string text) {
        std::vector<Token> tokens;
        tokenize(text, tokens);
        return {tokens.begin(), tokens.end()};
    }

    // A constraint is looked for after rewriting: its spelling is also known as the rewritings leave it.
    void add_constraint(const std::vector<std::string>& pattern, const std::vector<std::string>& output, uint64_t mask) {
        std::vector<Token> views(pattern.begin(), pattern.end()), scratch;
        rewritings.apply(views, scratch);
        const std::vector<std::string> rewritten(views.begin(), views.end());
        constraints.add(pattern, output, mask);
        if (rewritten != pattern && constraints.exact(rewritten) == nullptr) constraints.add(rewritten, output, mask);
    }

    void add_kin(const std::string& a, const std::string& b) {
        kin[a].push_back(b);
        kin[b].push_back(a);
    }

    // Names are compatible when, in every group, one of them says nothing or both may mean the same value.
    bool compatible(uint64_t a, uint64_t b) const {
        for (const uint64_t group : groups) {
            if ((a & group) != 0 && (b & group) != 0 && (a & b & group) == 0) return false;
        }
        return true;
    }
};

}  // namespace hexar::fuzzy
