// Building an index: names are added one by one, then the arrays are laid out. Memory is flat: no object per name.
#pragma once

#include <memory>

#include "index.hpp"

namespace hexar::fuzzy {

// Owns the arrays of a built index.
class Storage {
  public:
    template <class T>
    T* allocate(Index& index, Section section, uint64_t entries) {
        auto& block = blocks_[static_cast<int>(section)];
        block.reset(new uint64_t[(entries * sizeof(T) + 7) / 8 + 1]());
        index.bind(section, block.get(), entries * sizeof(T));
        return reinterpret_cast<T*>(block.get());
    }

  private:
    std::unique_ptr<uint64_t[]> blocks_[SECTIONS];
};

class Builder {
  public:
    explicit Builder(const Tables& tables) : tables_(tables) {
        slots_.assign(1024, 0);
        name_starts_.push_back(0);
    }

    // Add the next name: folded text.
    void add(const char* text, size_t size) {
        if (size + text_bytes_.size() >= NONE || size + sequence_.size() >= NONE || masks_.size() + 1 >= NONE) {
            throw std::overflow_error("a fuzzy index holds fewer than 2**32 - 1 names, tokens and bytes of distinct tokens");
        }
        text_.assign(text, size);
        tokenize(text_, tokens_);
        tables_.rewritings.apply(tokens_, scratch_);
        masks_.push_back(tables_.constraints.apply(tokens_, scratch_));
        for (const Token& token : tokens_) sequence_.push_back(intern(token));
        name_starts_.push_back(static_cast<uint32_t>(sequence_.size()));
    }

    // Lay out the arrays. The builder is spent afterwards.
    void finish(Index& index, Storage& storage) {
        order_vocabulary(index, storage);
        weigh(index, storage);
        find_compounds(index, storage);
        order_names(index, storage);
        invert(index, storage);
        index_bigrams(index, storage);
    }

  private:
    uint32_t intern(std::string_view token) {
        if ((starts_.size() + 1) * 2 > slots_.size()) grow();
        const uint64_t hash = hash_token(token);
        uint64_t at = hash & (slots_.size() - 1);
        for (; slots_[at] != 0; at = (at + 1) & (slots_.size() - 1)) {
            if (interned(slots_[at] - 1) == token) return slots_[at] - 1;
        }
        const uint32_t id = static_cast<uint32_t>(starts_.size());
        starts_.push_back(static_cast<uint32_t>(text_bytes_.size()));
        text_bytes_.append(token);
        slots_[at] = id + 1;
        return id;
    }

    std::string_view interned(uint32_t id) const {
        const size_t end = id + 1 < starts_.size() ? starts_[id + 1] : text_bytes_.size();
        return {text_bytes_.data() + starts_[id], end - starts_[id]};
    }

    void grow() {
        std::vector<uint32_t> larger(slots_.size() * 2, 0);
        for (uint32_t id = 0; id < starts_.size(); ++id) {
            uint64_t at = hash_token(interned(id)) & (larger.size() - 1);
            while (larger[at] != 0) at = (at + 1) & (larger.size() - 1);
            larger[at] = id + 1;
        }
        slots_.swap(larger);
    }

    void order_vocabulary(Index& index, Storage& storage) {
        const uint32_t v = static_cast<uint32_t>(starts_.size());
        std::vector<uint8_t> length(v);
        for (uint32_t id = 0; id < v; ++id) {
            length[id] = static_cast<uint8_t>(std::min(code_points(interned(id)), MAX_FUZZY_LENGTH + 1));
        }
        std::vector<uint32_t> order(v);
        std::iota(order.begin(), order.end(), 0u);
        std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
            return length[a] != length[b] ? length[a] < length[b] : interned(a) < interned(b);
        });
        char* bytes = storage.allocate<char>(index, Section::TOKEN_BYTES, text_bytes_.size());
        uint32_t* offsets = storage.allocate<uint32_t>(index, Section::TOKEN_OFFSETS, v + 1);
        uint32_t* lengths = storage.allocate<uint32_t>(index, Section::LENGTH_STARTS, MAX_FUZZY_LENGTH + 3);
        uint64_t* sets = storage.allocate<uint64_t>(index, Section::TOKEN_LETTERS, v);
        storage.allocate<uint32_t>(index, Section::TOKEN_MASSES, v);
        std::vector<uint32_t> rank(v);
        for (uint32_t id = 0; id < v; ++id) {
            const std::string_view text = interned(order[id]);
            rank[order[id]] = id;
            std::copy(text.begin(), text.end(), bytes + offsets[id]);
            offsets[id + 1] = offsets[id] + static_cast<uint32_t>(text.size());
            ++lengths[length[order[id]] + 1];
            sets[id] = letter_set(text);
        }
        std::partial_sum(lengths, lengths + MAX_FUZZY_LENGTH + 3, lengths);
        uint64_t slots = 16;
        while (slots < 2ull * v) slots *= 2;
        uint32_t* table = storage.allocate<uint32_t>(index, Section::TOKEN_SLOTS, slots);
        for (uint32_t id = 0; id < v; ++id) {
            uint64_t at = hash_token(index.token(id)) & (slots - 1);
            while (table[at] != 0) at = (at + 1) & (slots - 1);
            table[at] = id + 1;
        }
        for (uint32_t& token : sequence_) token = rank[token];
        release(slots_);
        release(starts_);
        text_bytes_.clear();
        text_bytes_.shrink_to_fit();
    }

    // Count each token once a name, and turn the counts into masses.
    void weigh(Index& index, Storage& storage) {
        const uint32_t v = index.vocabulary();
        uint32_t* offsets = storage.allocate<uint32_t>(index, Section::POSTING_OFFSETS, v + 1);
        std::vector<uint32_t> last(v, NONE);
        for (uint32_t name = 0; name + 1 < name_starts_.size(); ++name) {
            for (uint32_t at = name_starts_[name]; at < name_starts_[name + 1]; ++at) {
                const uint32_t token = sequence_[at];
                offsets[token + 1] += last[token] != name;
                last[token] = name;
            }
        }
        uint32_t* masses = const_cast<uint32_t*>(index.array<uint32_t>(Section::TOKEN_MASSES));
        for (uint32_t id = 0; id < v; ++id) masses[id] = idf_mass(masks_.size(), offsets[id + 1]);
        std::partial_sum(offsets, offsets + v + 1, offsets);
    }

    // A word is a compound when some name has its two halves side by side: "headlight" where another says "head light".
    void find_compounds(Index& index, Storage& storage) {
        uint8_t* cuts = storage.allocate<uint8_t>(index, Section::TOKEN_CUTS, index.vocabulary());
        const uint64_t* sets = index.array<uint64_t>(Section::TOKEN_LETTERS);
        const auto half = [&](uint32_t id) {
            const size_t size = index.token(id).size();
            return (sets[id] & NOT_LETTERS) == 0 && size >= MIN_PART_LENGTH && size < MAX_FUZZY_LENGTH;
        };
        std::string glued;
        for (uint32_t name = 0; name + 1 < name_starts_.size(); ++name) {
            for (uint32_t at = name_starts_[name]; at + 1 < name_starts_[name + 1]; ++at) {
                const uint32_t a = sequence_[at], b = sequence_[at + 1];
                if (!half(a) || !half(b)) continue;
                glued.assign(index.token(a)).append(index.token(b));
                if (glued.size() > MAX_FUZZY_LENGTH) continue;
                const uint32_t whole = index.find(glued);
                if (whole == NONE) continue;
                const uint8_t cut = static_cast<uint8_t>(index.token(a).size());
                if (cuts[whole] == 0 || better_cut(index, glued, cut, cuts[whole])) cuts[whole] = cut;
            }
        }
    }

    static bool better_cut(const Index& index, std::string_view word, uint8_t cut, uint8_t than) {
        const auto support = [&](uint8_t at) {
            return std::min(index.holders(index.find(word.substr(0, at))), index.holders(index.find(word.substr(at))));
        };
        const uint32_t mine = support(cut), theirs = support(than);
        return mine != theirs ? mine > theirs : cut < than;
    }

    // Lightest names first: a search that has seen enough can stop, since heavier names only score less.
    void order_names(Index& index, Storage& storage) {
        const uint32_t n = static_cast<uint32_t>(masks_.size());
        const uint32_t* token_masses = index.array<uint32_t>(Section::TOKEN_MASSES);
        std::vector<uint64_t> masses(n, 0);
        std::vector<uint32_t> sizes(n, 0);
        uint64_t total = 0;
        for (uint32_t name = 0; name < n; ++name) {
            const auto first = sequence_.begin() + name_starts_[name], end = sequence_.begin() + name_starts_[name + 1];
            std::sort(first, end);
            sizes[name] = static_cast<uint32_t>(std::unique(first, end) - first);
            for (auto at = first; at != first + sizes[name]; ++at) masses[name] += token_masses[*at];
            total += sizes[name];
        }
        std::vector<uint32_t> order(n);
        std::iota(order.begin(), order.end(), 0u);
        std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return masses[a] != masses[b] ? masses[a] < masses[b] : a < b; });
        Name* names = storage.allocate<Name>(index, Section::NAMES, n + 1);
        uint32_t* tokens = storage.allocate<uint32_t>(index, Section::NAME_TOKENS, total);
        for (uint32_t name = 0; name < n; ++name) {
            const uint32_t source = order[name], first = names[name].first_token;
            names[name] = {masses[source], masks_[source], source, first};
            names[name + 1].first_token = first + sizes[source];
            std::copy_n(sequence_.begin() + name_starts_[source], sizes[source], tokens + first);
        }
        release(sequence_);
        release(name_starts_);
        release(masks_);
    }

    void invert(Index& index, Storage& storage) {
        const uint32_t v = index.vocabulary(), n = index.names();
        const uint32_t* offsets = index.array<uint32_t>(Section::POSTING_OFFSETS);
        const Name* names = index.array<Name>(Section::NAMES);
        const uint32_t* tokens = index.array<uint32_t>(Section::NAME_TOKENS);
        uint32_t* postings = storage.allocate<uint32_t>(index, Section::POSTINGS, offsets[v]);
        std::vector<uint32_t> next(offsets, offsets + v);
        for (uint32_t name = 0; name < n; ++name) {
            for (uint32_t at = names[name].first_token; at < names[name + 1].first_token; ++at) postings[next[tokens[at]]++] = name;
        }
    }

    void index_bigrams(Index& index, Storage& storage) {
        const auto [first, last] = std::pair{index.of_length(MIN_FUZZY_LENGTH).first, index.of_length(MAX_FUZZY_LENGTH).second};
        const uint64_t* sets = index.array<uint64_t>(Section::TOKEN_LETTERS);
        uint32_t* offsets = storage.allocate<uint32_t>(index, Section::BIGRAM_OFFSETS, BIGRAM_BUCKETS + 1);
        std::vector<uint32_t> buckets;
        uint64_t total = 0;
        for (uint32_t id = first; id < last; ++id) {
            if ((sets[id] & EXACT_ONLY) != 0) continue;
            bigrams(index.token(id), buckets);
            for (const uint32_t bucket : buckets) ++offsets[bucket + 1];
            total += buckets.size();
        }
        if (total >= NONE) throw std::overflow_error("the distinct tokens of a fuzzy index hold fewer than 2**32 - 1 bigrams");
        std::partial_sum(offsets, offsets + BIGRAM_BUCKETS + 1, offsets);
        uint32_t* tokens = storage.allocate<uint32_t>(index, Section::BIGRAM_TOKENS, total);
        std::vector<uint32_t> next(offsets, offsets + BIGRAM_BUCKETS);
        for (uint32_t id = first; id < last; ++id) {
            if ((sets[id] & EXACT_ONLY) != 0) continue;
            bigrams(index.token(id), buckets);
            for (const uint32_t bucket : buckets) tokens[next[bucket]++] = id;
        }
    }

    template <class T>
    static void release(std::vector<T>& vector) {
        std::vector<T>().swap(vector);
    }

    const Tables& tables_;
    std::string text_;
    std::vector<Token> tokens_, scratch_;
    std::vector<uint32_t> slots_, starts_, sequence_, name_starts_;
    std::vector<uint64_t> masks_;
    std::string text_bytes_;
};

}  // namespace hexar::fuzzy
