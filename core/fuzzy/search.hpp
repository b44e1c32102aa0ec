// A query against an index: which units it is made of, which tokens are close to them, and the exact best names.
// Long, since the two ways to the best names share the scratch memory, the units and the bounds that are set up here.
#pragma once

#include "index.hpp"

namespace hexar::fuzzy {

constexpr uint32_t MAX_QUERY_TOKENS = 32;
constexpr uint32_t MAX_UNITS = 2 * MAX_QUERY_TOKENS;           // each token may be cut in two
constexpr uint32_t GLUED = ONE * 95 / 100;                     // "head light" found as "headlight"
constexpr uint32_t KIN = ONE * 90 / 100;                       // a word of several meanings found as one of them
constexpr uint32_t MIN_SPLIT_PART = 4, MAX_SPLIT_LENGTH = 32;  // the halves of a glued and mistyped word; the whole
constexpr uint32_t MIN_SIDE_LENGTH = 4;                        // a mistyped constraint word has this many letters
constexpr uint32_t LONG_SIDE_LENGTH = 6;                       // from here on one of them may be replaced
constexpr uint32_t TWO_SLIPS_LENGTH = 8;                       // from here on two edits are forgiven

constexpr uint64_t PROBES = 1024;     // names that are scored before accumulating is thought of
constexpr uint64_t PROBE_COST = 128;  // scoring a name costs as much as adding to so many sums
constexpr uint32_t COMMON = 8;        // lists of more than this share of the names are added up only if they must be
constexpr uint32_t QUANTA = 8192, BLOCK = 256;
constexpr uint32_t FAR = 40, NEAR = 20;  // how far ahead memory is asked for

inline void prefetch([[maybe_unused]] const void* address) {
#if defined(__GNUC__)
    __builtin_prefetch(address);
#endif
}

struct Hit {
    double score;
    uint32_t index;
};

// The better hit first: higher score, then smaller index.
inline bool better(const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.index < b.index;
}

// P and R are shares of 65536 * query mass and 65536 * name mass. Only products, quotients and a root: no sum that a
// compiler could fuse, so the same bits come out everywhere.
inline double combine(uint64_t query_cover, double query_mass, uint64_t name_cover, double name_mass) {
    return std::sqrt((static_cast<double>(query_cover) / query_mass) * (static_cast<double>(name_cover) / name_mass));
}

// Keeps the best `limit` hits: a heap whose top is the worst of them.
class Top {
  public:
    Top(size_t limit, double least) : limit_(limit), least_(least) {}

    // Can a hit of this score and index still get in?
    bool admits(double score, uint32_t index) const {
        if (hits_.size() < limit_) return score >= least_;
        return better({score, index}, hits_.front());
    }
    void offer(double score, uint32_t index) {
        if (score <= 0.0 || !admits(score, index)) return;
        if (hits_.size() == limit_) {
            std::pop_heap(hits_.begin(), hits_.end(), better);
            hits_.pop_back();
        }
        hits_.push_back({score, index});
        std::push_heap(hits_.begin(), hits_.end(), better);
    }
    // No score below this one can get in.
    double threshold() const { return hits_.size() < limit_ ? least_ : hits_.front().score; }

    std::vector<Hit> sorted() {
        std::sort(hits_.begin(), hits_.end(), better);
        return std::move(hits_);
    }

  private:
    size_t limit_;
    double least_;
    std::vector<Hit> hits_;
};

// What one search needs beyond the index; one for each thread, reused.
struct Scratch {
    LookupScratch lookup;
    std::vector<uint64_t> seen;   // a bit a name
    std::vector<uint16_t> sums;   // one a name
    std::vector<uint16_t> peaks;  // one a block of names
    std::string text;
    std::vector<Token> tokens, spare;
};

class Search {
  public:
    Search(const Index& index, Scratch& scratch) : index_(index), scratch_(scratch) {}

    // `text` is folded. Throws std::invalid_argument when the query has too many tokens.
    void prepare(const char* text, size_t size) {
        scratch_.text.assign(text, size);
        auto& tokens = scratch_.tokens;
        tokenize(scratch_.text, tokens);
        check_size(tokens);
        index_.tables.rewritings.apply(tokens, scratch_.spare);
        mask_ = index_.tables.constraints.apply(tokens, scratch_.spare);
        correct_constraints(tokens);
        check_size(tokens);
        plan(tokens);
    }

    // The `limit` best compatible names with a score of at least `least` (and above 0), best first.
    std::vector<Hit> run(size_t limit, double least);

    // The same by scoring every name: the definition, without bounds.
    std::vector<Hit> run_exhaustively(size_t limit, double least);

  private:
    struct Entry {
        uint32_t token, unit, closeness, share;  // share: how many units the token stands for at once
        uint64_t name_gain;                      // what the token adds to the covered mass of a name
    };
    struct Unit {
        std::string text;
        uint64_t mass;
    };
    struct List {  // the postings of one token, and the entries that make it interesting
        uint32_t token, mass, first_entry, last_entry;
        uint64_t query_gain, name_gain;    // the most it can add to the covered query and to the covered name
        uint64_t query_bound, name_bound;  // of any name that is in this list or a later one, but in no earlier one
    };
    struct Slot {
        uint32_t token, list;
    };
    struct Best {
        uint32_t closeness, token;
        uint64_t name_gain;
    };

    static size_t slot_of(uint32_t token) { return (token * 2654435761u) >> 7; }
    static void check_size(const std::vector<Token>& tokens) {
        if (tokens.size() > MAX_QUERY_TOKENS) {
            throw std::invalid_argument("the query has more than MAX_QUERY_TOKENS = 32 tokens");
        }
    }
    void correct_constraints(std::vector<Token>& tokens);
    const Rule* mistyped_constraint(std::string_view token);
    std::pair<const Rule*, std::string_view> glued_constraint(std::string_view token) const;
    uint32_t choose_cut(std::string_view token, uint32_t id);
    void plan(const std::vector<Token>& tokens);
    void close_tokens(std::string_view text, std::vector<Close>& out);
    uint32_t unit_of(std::string_view text);
    void order_lists();
    double score(const Name* name);
    double bound(const List& list, uint64_t mass) const;
    uint64_t probe(const List& list, Top& top);
    void consider(uint32_t position, Top& top);
    size_t essential_end(size_t first, double threshold) const;
    bool accumulating_pays(size_t first, double threshold) const;
    void accumulate(size_t first, Top& top);

    const Index& index_;
    Scratch& scratch_;
    uint64_t mask_ = 0;
    double query_mass_ = 1.0;  // times ONE
    std::vector<Unit> units_;
    std::vector<Entry> entries_;
    std::vector<List> lists_;
    std::vector<Slot> slots_;  // open addressing, NONE means empty
    Best best_[MAX_UNITS];
};

// A mistyped or glued side is still a side. For a word that no name uses, either
// - a constraint word of at least four letters has the same first letter and is one edit away that is no replacement
//   ("lfet", "rigt"; never "light" for right), any edit from six letters on ("deretcho"), two from eight on ("izquero"),
//   and no token of the names is as close, nor abbreviated by the word; or
// - such a word is its beginning or its end and the rest is a token of the names or a constraint word ("rearbumper").
inline void Search::correct_constraints(std::vector<Token>& tokens) {
    if (index_.tables.constraints.empty()) return;
    auto& out = scratch_.spare;
    out.clear();
    const auto take = [&](const Rule& rule) {
        mask_ |= rule.mask;
        for (const std::string& word : rule.output) out.push_back(std::string_view(word));
    };
    for (const Token& token : tokens) {
        if (token.fragment || token.size() < MIN_SIDE_LENGTH || !is_word(token) || index_.find(token) != NONE) {
            out.push_back(token);
        } else if (const Rule* slip = mistyped_constraint(token)) {
            take(*slip);
        } else if (const auto [side, rest] = glued_constraint(token); side != nullptr) {
            const Rule* other = index_.tables.constraints.word(rest);
            const bool first = rest.data() != token.data();
            if (first) take(*side);
            if (other != nullptr) take(*other);
            else out.push_back(std::string_view(rest));
            if (!first) take(*side);
        } else {
            out.push_back(token);
        }
    }
    tokens.swap(out);
}

inline const Rule* Search::mistyped_constraint(std::string_view token) {
    const auto sorted = [](std::string_view text) {
        std::string letters(text);
        std::sort(letters.begin(), letters.end());
        return letters;
    };
    const Pattern pattern(token);
    const Rule* found = nullptr;
    uint32_t closest = 0;
    const auto& table = index_.tables.constraints.table();
    for (auto at = table.lower_bound(token.substr(0, 1)); at != table.end() && at->first[0] == token[0]; ++at) {
        const std::string& word = at->first;
        const Rule* rule = index_.tables.constraints.word(word);
        if (rule == nullptr || rule->mask == 0 || word.size() < MIN_SIDE_LENGTH || !is_word(word)) continue;
        if (word.size() == token.size() && word.size() < LONG_SIDE_LENGTH && sorted(word) != sorted(token)) continue;
        const uint32_t distance = pattern.distance(word);
        if (distance > (word.size() < TWO_SLIPS_LENGTH ? 1 : 2)) continue;
        if (found != nullptr && found->mask != rule->mask) return nullptr;
        closest = std::max(closest, edit_closeness(distance, static_cast<uint32_t>(std::max(word.size(), token.size()))));
        found = rule;
    }
    if (found == nullptr) return nullptr;
    std::vector<Close> close;
    index_.abbreviations(token, close);
    const bool abbreviation =
        std::any_of(close.begin(), close.end(), [&](const Close& c) { return index_.token(c.token).size() > token.size(); });
    close.clear();
    index_.similar(token, 2, scratch_.lookup, close);
    const bool as_close = std::any_of(close.begin(), close.end(), [&](const Close& c) { return c.closeness >= closest; });
    return abbreviation || as_close ? nullptr : found;
}

// The longest constraint word at the beginning of a token, else at its end, and what is left of the token.
inline std::pair<const Rule*, std::string_view> Search::glued_constraint(std::string_view token) const {
    const auto usable = [&](std::string_view side, std::string_view rest) -> const Rule* {
        const Rule* rule = index_.tables.constraints.word(side);
        if (rule == nullptr || rule->mask == 0) return nullptr;
        const bool known = index_.find(rest) != NONE || index_.tables.constraints.word(rest) != nullptr;
        return known ? rule : nullptr;
    };
    for (size_t size = token.size() - 1; size >= MIN_SIDE_LENGTH; --size) {
        const std::string_view rest = token.substr(size);
        if (rest.size() < MIN_PART_LENGTH) continue;
        if (const Rule* rule = usable(token.substr(0, size), rest)) return {rule, rest};
    }
    for (size_t size = token.size() - 1; size >= MIN_SIDE_LENGTH; --size) {
        const std::string_view rest = token.substr(0, token.size() - size);
        if (rest.size() < MIN_PART_LENGTH) continue;
        if (const Rule* rule = usable(token.substr(token.size() - size), rest)) return {rule, rest};
    }
    return {nullptr, {}};
}

inline uint32_t Search::unit_of(std::string_view text) {
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
        if (units_[unit].text == text) return unit;
    }
    units_.push_back({std::string(text), 0});
    return static_cast<uint32_t>(units_.size() - 1);
}

// Every token of the vocabulary that is close to `text`: itself, its kin, typing mistakes, abbreviations.
inline void Search::close_tokens(std::string_view text, std::vector<Close>& out) {
    out.clear();
    const uint32_t id = index_.find(text);
    if (id != NONE) out.push_back({id, ONE});
    index_.similar(text, 2, scratch_.lookup, out);
    index_.abbreviations(text, out);
    const auto kin = index_.tables.kin.find(text);
    if (kin == index_.tables.kin.end()) return;
    for (const std::string& word : kin->second) {
        const uint32_t other = index_.find(word);
        if (other != NONE) out.push_back({other, KIN});
    }
}

// Where a token is cut in two units, or 0. A token of the vocabulary is cut where the names cut it. An unknown one that
// is no mistyped token is cut between two known tokens that some name holds both, the pair whose rarer half is most frequent;
// failing that, between a known token, the longest, and a mistyped one.
inline uint32_t Search::choose_cut(std::string_view token, uint32_t id) {
    if (id != NONE) return index_.array<uint8_t>(Section::TOKEN_CUTS)[id];
    const uint32_t size = static_cast<uint32_t>(token.size());
    if (size > MAX_SPLIT_LENGTH || size < 2 * MIN_PART_LENGTH) return 0;
    const auto foreign = [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == ':'; };
    if (std::any_of(token.begin(), token.end(), foreign)) return 0;
    std::vector<Close> close;
    index_.similar(token, 2, scratch_.lookup, close);
    if (!close.empty()) return 0;
    uint32_t cut = 0, support = 0;
    for (uint32_t at = MIN_PART_LENGTH; at + MIN_PART_LENGTH <= size; ++at) {
        const uint32_t a = index_.find(token.substr(0, at)), b = index_.find(token.substr(at));
        if (a == NONE || b == NONE) continue;
        const uint32_t least = std::min(index_.holders(a), index_.holders(b));
        if (least > support && index_.meet(a, b)) cut = at, support = least;
    }
    if (cut != 0) return cut;
    const auto mistyped = [&](std::string_view part) {
        if (index_.find(part) != NONE) return false;
        close.clear();
        index_.similar(part, 2, scratch_.lookup, close);
        return !close.empty();
    };
    for (uint32_t known = size - std::min(size, MIN_SPLIT_PART); known >= MIN_SPLIT_PART; --known) {
        if (index_.find(token.substr(0, known)) != NONE && mistyped(token.substr(known))) return known;
        if (index_.find(token.substr(size - known)) != NONE && mistyped(token.substr(0, size - known))) return size - known;
    }
    return 0;
}

inline void Search::plan(const std::vector<Token>& tokens) {
    units_.clear();
    entries_.clear();
    std::vector<Close> close;
    std::vector<std::vector<uint32_t>> spans(tokens.size());  // the units of each token
    std::vector<uint32_t> ids(tokens.size());
    const auto attach = [&](uint32_t token, uint32_t closeness, const std::vector<uint32_t>& span) {
        for (const uint32_t unit : span) entries_.push_back({token, unit, closeness, static_cast<uint32_t>(span.size()), 0});
    };
    const auto taken = [&](std::string_view text) {
        return std::find(tokens.begin(), tokens.end(), text) != tokens.end() ||
               std::any_of(units_.begin(), units_.end(), [&](const Unit& unit) { return unit.text == text; });
    };
    for (size_t i = 0; i < tokens.size(); ++i) {
        ids[i] = index_.find(tokens[i]);
        const size_t earlier = std::find(tokens.begin(), tokens.begin() + i, tokens[i]) - tokens.begin();
        if (earlier < i) {
            spans[i] = spans[earlier];
            continue;
        }
        // Halves must be new units: otherwise a name that holds both the compound and its half could not be told apart.
        const uint32_t cut = choose_cut(tokens[i], ids[i]);
        if (cut == 0 || taken(tokens[i].substr(0, cut)) || taken(tokens[i].substr(cut)) ||
            tokens[i].substr(0, cut) == tokens[i].substr(cut)) {
            spans[i] = {unit_of(tokens[i])};
            continue;
        }
        spans[i] = {unit_of(tokens[i].substr(0, cut)), unit_of(tokens[i].substr(cut))};
        close_tokens(tokens[i], close);
        for (const Close& c : close) attach(c.token, c.closeness, spans[i]);
    }
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
        close_tokens(units_[unit].text, close);
        for (const Close& c : close) attach(c.token, c.closeness, {unit});
    }
    // Neighbours that may be one word of the names. An edit is forgiven when it spoils at most a third of the shorter half.
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
        if (((letter_set(tokens[i]) | letter_set(tokens[i + 1])) & EXACT_ONLY) != 0) continue;
        std::vector<uint32_t> span = spans[i];
        for (const uint32_t unit : spans[i + 1]) {
            if (std::find(span.begin(), span.end(), unit) == span.end()) span.push_back(unit);
        }
        const std::string glued = std::string(tokens[i]).append(tokens[i + 1]);
        const uint32_t id = index_.find(glued);
        if (id != NONE) attach(id, GLUED, span);
        const uint32_t edits = std::min(code_points(tokens[i]), code_points(tokens[i + 1])) / 3;
        if (edits == 0 || (ids[i] != NONE && ids[i + 1] != NONE)) continue;
        close.clear();
        index_.similar(glued, std::min(edits, 2u), scratch_.lookup, close);
        for (const Close& c : close) {
            attach(c.token, static_cast<uint32_t>((static_cast<uint64_t>(c.closeness) * GLUED) >> 16), span);
        }
    }
    // One entry for each token and unit: the closest, then the least shared.
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
        if (a.token != b.token) return a.token < b.token;
        if (a.unit != b.unit) return a.unit < b.unit;
        return a.closeness != b.closeness ? a.closeness > b.closeness : a.share < b.share;
    });
    entries_.erase(std::unique(entries_.begin(), entries_.end(),
                               [](const Entry& a, const Entry& b) { return a.token == b.token && a.unit == b.unit; }),
                   entries_.end());
    // A unit weighs what its token weighs; an unknown one weighs what its closest token weighs, and if there is none,
    // what a token of a single name would.
    std::vector<uint32_t> closest(units_.size(), 0);
    for (const Entry& entry : entries_) {
        const uint64_t mass = std::max<uint64_t>(1, index_.mass(entry.token) / entry.share);
        if (entry.closeness > closest[entry.unit] || (entry.closeness == closest[entry.unit] && mass < units_[entry.unit].mass)) {
            closest[entry.unit] = entry.closeness;
            units_[entry.unit].mass = mass;
        }
    }
    uint64_t total = 0;
    for (Unit& unit : units_) {
        const uint32_t id = index_.find(unit.text);
        if (id != NONE) unit.mass = index_.mass(id);
        else if (unit.mass == 0) unit.mass = idf_mass(index_.names(), 1);
        total += unit.mass;
    }
    // A token that is only close is worth no more than what it stands for: a rare code that resembles a common word is
    // weak evidence, however rare it is.
    for (Entry& entry : entries_) {
        const uint64_t mass = index_.mass(entry.token);
        const uint64_t worth = entry.closeness == ONE ? mass : std::min(mass, units_[entry.unit].mass * entry.share);
        entry.name_gain = worth * entry.closeness;
    }
    query_mass_ = static_cast<double>(total) * ONE;
    order_lists();
}

// Rare tokens first. Walking back from the last list, the bounds add up what a name could still gain at most.
inline void Search::order_lists() {
    lists_.clear();
    for (uint32_t at = 0; at < entries_.size();) {
        const uint32_t first = at, token = entries_[at].token;
        while (at < entries_.size() && entries_[at].token == token) ++at;
        lists_.push_back({token, index_.mass(token), first, at, 0, 0, 0, 0});
    }
    std::sort(lists_.begin(), lists_.end(), [&](const List& a, const List& b) {
        const uint32_t x = index_.holders(a.token), y = index_.holders(b.token);
        return x != y ? x < y : a.token < b.token;
    });
    size_t size = 16;
    while (size < 2 * lists_.size()) size *= 2;
    slots_.assign(size, {0, NONE});
    for (uint32_t i = 0; i < lists_.size(); ++i) {
        size_t at = slot_of(lists_[i].token) & (size - 1);
        while (slots_[at].list != NONE) at = (at + 1) & (size - 1);
        slots_[at] = {lists_[i].token, i};
    }
    std::vector<uint64_t> query(units_.size(), 0), name(units_.size(), 0);
    uint64_t query_sum = 0, name_sum = 0;
    const auto raise = [](uint64_t& most, uint64_t value, uint64_t& sum) {
        if (value > most) sum += value - most, most = value;
    };
    for (size_t i = lists_.size(); i-- > 0;) {
        List& list = lists_[i];
        for (uint32_t at = list.first_entry; at < list.last_entry; ++at) {
            const Entry& entry = entries_[at];
            const uint64_t q = units_[entry.unit].mass * entry.closeness;
            raise(query[entry.unit], q, query_sum);
            raise(name[entry.unit], entry.name_gain, name_sum);
            list.query_gain += q;
            list.name_gain = std::max(list.name_gain, entry.name_gain);
        }
        list.query_bound = query_sum;
        list.name_bound = name_sum;
    }
}

inline double Search::score(const Name* name) {
    const uint32_t* tokens = index_.array<uint32_t>(Section::NAME_TOKENS);
    const size_t units = units_.size(), mask = slots_.size() - 1;
    for (size_t unit = 0; unit < units; ++unit) best_[unit] = {0, NONE, 0};
    for (uint32_t i = name[0].first_token; i < name[1].first_token; ++i) {
        const uint32_t token = tokens[i];
        size_t at = slot_of(token) & mask;
        while (slots_[at].list != NONE && slots_[at].token != token) at = (at + 1) & mask;
        if (slots_[at].list == NONE) continue;
        const List& list = lists_[slots_[at].list];
        for (uint32_t e = list.first_entry; e < list.last_entry; ++e) {
            const Entry& entry = entries_[e];
            Best& best = best_[entry.unit];
            if (entry.closeness > best.closeness || (entry.closeness == best.closeness && entry.name_gain > best.name_gain)) {
                best = {entry.closeness, token, entry.name_gain};
            }
        }
    }
    uint64_t query_cover = 0, name_cover = 0;
    for (size_t unit = 0; unit < units; ++unit) {
        const Best& best = best_[unit];
        if (best.closeness == 0) continue;
        query_cover += units_[unit].mass * best.closeness;
        // A token that stands for several units is part of the name once, with the most it is worth to one of them.
        bool counted = false;
        for (size_t other = 0; other < units && !counted; ++other) {
            counted = best_[other].token == best.token &&
                      (best_[other].name_gain > best.name_gain || (best_[other].name_gain == best.name_gain && other < unit));
        }
        if (!counted) name_cover += best.name_gain;
    }
    if (query_cover == 0) return 0.0;
    return combine(query_cover, query_mass_, name_cover, static_cast<double>(name->mass) * ONE);
}

// Exact top-k in two ways that share one bound, a name being skipped only when its bound is below the worst of the best.
//
// By probing, after MaxScore (Turtle & Flood, "Query evaluation: strategies and optimizations", 1995): lists are read from
// rare to frequent and each name is scored; a name that is only in the lists not yet read cannot score above what those
// could give it, and a heavy name less than a light one. This ends early for names that share something rare.
//
// By accumulating, when that would score too many names: what each list could give is added up for each name, rounded
// up to a few bits, and only names whose sum reaches the threshold are scored, the most promising first.
inline std::vector<Hit> Search::run(size_t limit, double least) {
    scratch_.seen.assign((index_.names() + 63) / 64, 0);
    Top top(limit, least);
    const uint64_t patience = std::min<uint64_t>(PROBES, index_.names() / 16);
    uint64_t probed = 0;
    for (size_t i = 0; i < lists_.size(); ++i) {
        const uint32_t holders = index_.holders(lists_[i].token);
        if (probed + holders > patience && accumulating_pays(i, top.threshold())) {
            accumulate(i, top);
            break;
        }
        probed += probe(lists_[i], top);
    }
    return top.sorted();
}

// The bound of a name that is in `list` and in no list before it. It is computed by the same expression as the score from
// operands that are at least as large, and every operation rounds monotonically, so it is never below the score.
inline double Search::bound(const List& list, uint64_t mass) const {
    return combine(list.query_bound, query_mass_, std::min(list.name_bound, mass * ONE), static_cast<double>(mass) * ONE);
}

// Score the names of one list; returns how many were looked at.
inline uint64_t Search::probe(const List& list, Top& top) {
    const Name* names = index_.array<Name>(Section::NAMES);
    const uint32_t* tokens = index_.array<uint32_t>(Section::NAME_TOKENS);
    const uint32_t* postings = index_.array<uint32_t>(Section::POSTINGS);
    const uint32_t* offsets = index_.array<uint32_t>(Section::POSTING_OFFSETS);
    const uint32_t first = offsets[list.token], end = offsets[list.token + 1];
    uint32_t at = first;
    for (; at < end; ++at) {
        // Names lie all over memory: ask for those to come, first for the name, then for its tokens.
        if (at + FAR < end) prefetch(names + postings[at + FAR]);
        if (at + NEAR < end) prefetch(tokens + names[postings[at + NEAR]].first_token);
        const Name* name = names + postings[at];
        const double best = bound(list, name->mass);
        if (best < top.threshold()) break;
        if (top.admits(best, name->index)) consider(postings[at], top);
    }
    return at - first;
}

// Score a name once, if it is compatible.
inline void Search::consider(uint32_t position, Top& top) {
    const Name* name = index_.array<Name>(Section::NAMES) + position;
    uint64_t& word = scratch_.seen[position >> 6];
    const uint64_t bit = 1ull << (position & 63);
    if ((word & bit) != 0) return;
    word |= bit;
    if (mask_ != 0 && !index_.tables.compatible(mask_, name->mask)) return;
    top.offer(score(name), name->index);
}

// Names that are only in lists from the returned one on cannot reach the threshold.
inline size_t Search::essential_end(size_t first, double threshold) const {
    const uint64_t lightest = index_.array<Name>(Section::NAMES)[0].mass;
    size_t end = lists_.size();
    while (end > first && bound(lists_[end - 1], std::max<uint64_t>(lightest, 1)) < threshold) --end;
    return end;
}

inline bool Search::accumulating_pays(size_t first, double threshold) const {
    const size_t essential = essential_end(first, threshold);
    uint64_t scored = 0, added = 0;
    for (size_t i = first; i < lists_.size(); ++i) {
        const uint64_t holders = index_.holders(lists_[i].token);
        if (i < essential) scored += holders;
        if (i < essential || holders <= index_.names() / COMMON) added += holders;
    }
    return scored * PROBE_COST > added + index_.names() / 2;
}

// A product of sums has no sum to keep, but √(q · n) <= (t · q + n / t) / 2 for every t > 0, and the right side is a sum over
// the lists that a name is in. t makes both halves equal for a name that has everything. The sums are kept in 16 bits:
// what a list gives is rounded up to a number of QUANTA, parts of the most that a name can get.
inline void Search::accumulate(size_t first, Top& top) {
    const Name* names = index_.array<Name>(Section::NAMES);
    const uint32_t* postings = index_.array<uint32_t>(Section::POSTINGS);
    const uint32_t* offsets = index_.array<uint32_t>(Section::POSTING_OFFSETS);
    const size_t essential = essential_end(first, top.threshold());
    const double most_query = static_cast<double>(lists_[first].query_bound);
    const double most_name = static_cast<double>(lists_[first].name_bound);
    const double t = std::sqrt(most_name / most_query), whole = std::sqrt(most_name * most_query);
    const auto quanta = [&](uint64_t query, uint64_t name) {
        const double gain = (t * static_cast<double>(query) + static_cast<double>(name) / t) / 2;
        return static_cast<uint32_t>(std::ceil(gain / whole * QUANTA * (1.0 + 1e-9)));
    };
    auto& sums = scratch_.sums;
    const uint32_t blocks = (index_.names() + BLOCK - 1) / BLOCK;
    sums.assign(static_cast<size_t>(blocks) * BLOCK, 0);
    size_t last = first;
    for (; last < lists_.size(); ++last) {
        const List& list = lists_[last];
        if (last >= essential && index_.holders(list.token) > index_.names() / COMMON) break;
        const uint32_t gain = quanta(list.query_gain, list.name_gain);
        for (uint32_t at = offsets[list.token]; at < offsets[list.token + 1]; ++at) {
            uint16_t& sum = sums[postings[at]];
            sum = static_cast<uint16_t>(std::min(sum + gain, 0xFFFFu));
        }
    }
    // What the lists that were not added could still give to any name.
    const double rest = last < lists_.size() ? quanta(lists_[last].query_bound, lists_[last].name_bound) : 0.0;
    const double scale = std::sqrt(query_mass_ * ONE) * QUANTA / whole * (1.0 - 1e-9);
    const auto least_sum = [&](uint32_t position) {
        const double needed = top.threshold() * scale * std::sqrt(static_cast<double>(names[position].mass)) - rest;
        return needed < 1.0 ? 1u : needed > 0xFFFF ? 0xFFFFu : static_cast<uint32_t>(std::ceil(needed));
    };
    auto& peaks = scratch_.peaks;
    peaks.assign(blocks, 0);
    for (uint32_t block = 0; block < blocks; ++block) {
        const uint16_t* sum = sums.data() + static_cast<size_t>(block) * BLOCK;
        uint16_t peak = 0;
        for (uint32_t i = 0; i < BLOCK; ++i) peak = std::max(peak, sum[i]);
        peaks[block] = peak;
    }
    const auto visit = [&](uint32_t block) {
        // Names are sorted by mass: the first of the block is the lightest.
        uint32_t needed = least_sum(block * BLOCK);
        if (peaks[block] < needed) return;
        for (uint32_t i = block * BLOCK; i < (block + 1) * BLOCK; ++i) {
            if (sums[i] < needed) continue;
            const double before = top.threshold();
            consider(i, top);
            if (top.threshold() != before) needed = least_sum(block * BLOCK);
        }
    };
    const uint16_t promising = static_cast<uint16_t>(*std::max_element(peaks.begin(), peaks.end()) * 7u / 8u);
    for (uint32_t block = 0; block < blocks; ++block) {
        if (peaks[block] > promising) visit(block);
    }
    for (uint32_t block = 0; block < blocks; ++block) {
        if (peaks[block] <= promising) visit(block);
    }
}

inline std::vector<Hit> Search::run_exhaustively(size_t limit, double least) {
    const Name* names = index_.array<Name>(Section::NAMES);
    Top top(limit, least);
    for (const Name* name = names; name != names + index_.names(); ++name) {
        if (index_.tables.compatible(mask_, name->mask)) top.offer(score(name), name->index);
    }
    return top.sorted();
}

// The entry point: plan and run one query in this thread's scratch.
inline std::vector<Hit> search(const Index& index, const char* text, size_t size, size_t limit, double least, bool exhaustive) {
    thread_local Scratch scratch;
    Search query(index, scratch);
    query.prepare(text, size);
    return exhaustive ? query.run_exhaustively(limit, least) : query.run(limit, least);
}

}  // namespace hexar::fuzzy
