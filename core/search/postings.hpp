// The inverted index of hexar.core.search.postings: for each term the documents that hold it, and for each document its terms by line.
//
// A document has a slot, a small number that is used again after the document is removed. Nothing here is thread-safe: the
// caller holds a lock.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hits.hpp"
#include "prefetch.hpp"

namespace hexar {
namespace postings {

// BM25 parameters, as SQLite FTS5 and Lucene have them.
constexpr double K1 = 1.2;
constexpr double B = 0.75;
constexpr uint32_t LINE_END = 0xFFFFFFFFu;
constexpr uint32_t NONE = 0xFFFFFFFFu;

struct Posting {
    uint32_t slot;
    uint32_t count;
};

using hits::Hit;

struct Weight {
    double score, window;
};

class Index {
  public:
    size_t documents() const { return slots_.size(); }
    uint64_t terms() const { return terms_; }
    double average() const { return slots_.empty() ? 1.0 : std::max(1.0, double(terms_) / double(slots_.size())); }

    // About: what the containers hold, without the allocator's own.
    size_t bytes() const {
        return words_.size() * 96 + letters_ + lists_.size() * (sizeof(lists_[0]) + 1) + pairs_ * sizeof(Posting) +
               lines_.size() * (sizeof(lines_[0]) + 16) + ids_ * sizeof(uint32_t) + slots_.size() * 48;
    }

    bool holds(int64_t key) const { return slots_.find(key) != slots_.end(); }

    // `text`: terms between blanks, one line a sentence. A key that is held is replaced.
    void add(int64_t key, const char *text, size_t size) {
        remove(key);
        uint32_t slot;
        if (free_.empty()) {
            slot = uint32_t(keys_.size());
            keys_.push_back(key);
            lengths_.push_back(0);
            lines_.emplace_back();
        } else {
            slot = free_.back();
            free_.pop_back();
            keys_[slot] = key;
        }
        slots_.emplace(key, slot);
        std::vector<uint32_t> line;
        uint32_t length = 0;
        size_t at = 0;
        while (at < size) {
            size_t end = at;
            while (end < size && text[end] != ' ' && text[end] != '\n') ++end;
            if (end > at) {
                line.push_back(number(std::string(text + at, end - at)));
                ++length;
            }
            if (end < size && text[end] == '\n' && !line.empty() && line.back() != LINE_END) line.push_back(LINE_END);
            at = end + 1;
        }
        line.shrink_to_fit();
        std::vector<uint32_t> distinct = sorted(line);
        for (size_t i = 0; i < distinct.size();) {
            size_t j = i;
            while (j < distinct.size() && distinct[j] == distinct[i]) ++j;
            lists_[distinct[i]].push_back(Posting{slot, uint32_t(j - i)});
            ++pairs_;
            i = j;
        }
        lengths_[slot] = length;
        norms_.clear();
        terms_ += length;
        ids_ += line.size();
        lines_[slot] = std::move(line);
    }

    bool remove(int64_t key) {
        auto found = slots_.find(key);
        if (found == slots_.end()) return false;
        uint32_t slot = found->second;
        slots_.erase(found);
        std::vector<uint32_t> distinct = sorted(lines_[slot]);
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (uint32_t term : distinct) {
            std::vector<Posting> &list = lists_[term];
            for (size_t i = 0; i < list.size(); ++i) {
                if (list[i].slot == slot) {
                    list[i] = list.back();
                    list.pop_back();
                    --pairs_;
                    break;
                }
            }
            if (list.empty()) forget(term);
        }
        norms_.clear();
        terms_ -= lengths_[slot];
        ids_ -= lines_[slot].size();
        lengths_[slot] = 0;
        std::vector<uint32_t>().swap(lines_[slot]);
        free_.push_back(slot);
        return true;
    }

    // The number of a word, or NONE.
    uint32_t term(const std::string &word) const {
        auto found = words_.find(word);
        return found == words_.end() ? NONE : found->second;
    }

    // Documents that hold a term.
    uint32_t frequency(uint32_t term) const { return term == NONE ? 0 : uint32_t(lists_[term].size()); }

    // BM25's weight of a term that so many documents hold; never negative (as Lucene has it).
    double rarity(uint32_t frequency) const {
        return std::log(1.0 + (double(slots_.size()) - frequency + 0.5) / (frequency + 0.5));
    }

    // The best `limit` documents by BM25 over the rarest of `words` whose postings together fit into `budget`, at least one.
    std::vector<Hit> search(const std::vector<std::string> &words, size_t limit, size_t budget) {
        std::vector<std::pair<uint32_t, uint32_t>> asked;  // frequency, term
        for (const std::string &word : words) {
            const uint32_t number = term(word);
            if (number != NONE) asked.emplace_back(frequency(number), number);
        }
        std::sort(asked.begin(), asked.end());
        asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
        scores_.resize(keys_.size(), 0.0);
        measure();
        std::vector<uint32_t> touched;
        size_t rows = 0;
        for (const auto &[frequency, term] : asked) {
            if (rows && rows + frequency > budget) break;
            rows += frequency;
            const double weight = rarity(frequency) * (K1 + 1);
            for (const Posting &posting : lists_[term]) {
                double &score = scores_[posting.slot];
                if (score == 0.0) touched.push_back(posting.slot);
                score += weight * posting.count / (posting.count + norms_[posting.slot]);
            }
        }
        std::vector<Hit> found(touched.size());
        for (size_t i = 0; i < touched.size(); ++i) {
            found[i].key = keys_[touched[i]];
            found[i].score = scores_[touched[i]];
            scores_[touched[i]] = 0.0;
        }
        hits::keep_best(found, limit);
        return found;
    }

    // For each document: BM25 over groups of words that count as one, and the most rarity that stands together in two neighbouring
    // lines. `groups`: (term, group), the last of a term counts; at most 64 groups. Zeros for a key that is not held.
    std::vector<Weight> weigh(const std::vector<int64_t> &keys, const std::vector<std::pair<uint32_t, uint32_t>> &groups,
                              const std::vector<double> &rarities) {
        std::vector<Weight> weights(keys.size(), Weight{0.0, 0.0});
        measure();
        group_of_.resize(lists_.size(), 0);
        for (const auto &[term, group] : groups) group_of_[term] = uint8_t(group + 1);
        // Documents lie all over the memory: all are asked for before the first is read.
        std::vector<uint32_t> slots(keys.size(), NONE);
        for (size_t i = 0; i < keys.size(); ++i) {
            auto found = slots_.find(keys[i]);
            if (found != slots_.end()) slots[i] = found->second;
        }
        for (uint32_t slot : slots) {
            if (slot != NONE) prefetch(lines_[slot].data(), lines_[slot].size() * sizeof(uint32_t));
        }
        for (size_t i = 0; i < keys.size(); ++i) {
            if (slots[i] != NONE) weights[i] = weighed(slots[i], rarities);
        }
        for (const auto &each : groups) group_of_[each.first] = 0;
        return weights;
    }

  private:
    uint32_t number(std::string &&word) {
        auto found = words_.find(word);
        if (found != words_.end()) return found->second;
        uint32_t term;
        if (unused_.empty()) {
            term = uint32_t(lists_.size());
            lists_.emplace_back();
            names_.push_back(nullptr);
        } else {
            term = unused_.back();
            unused_.pop_back();
        }
        letters_ += word.size();
        names_[term] = &words_.emplace(std::move(word), term).first->first;
        return term;
    }

    void forget(uint32_t term) {
        letters_ -= names_[term]->size();
        words_.erase(words_.find(*names_[term]));
        names_[term] = nullptr;
        std::vector<Posting>().swap(lists_[term]);
        unused_.push_back(term);
    }

    // Bring `norms_` up to date after a change.
    void measure() {
        if (norms_.size() == keys_.size()) return;
        const double mean = average();
        norms_.resize(keys_.size());
        for (size_t slot = 0; slot < keys_.size(); ++slot) norms_[slot] = K1 * (1 - B + B * lengths_[slot] / mean);
    }

    static std::vector<uint32_t> sorted(const std::vector<uint32_t> &line) {
        std::vector<uint32_t> terms;
        for (uint32_t term : line) {
            if (term != LINE_END) terms.push_back(term);
        }
        std::sort(terms.begin(), terms.end());
        return terms;
    }

    // For the document at `slot`, of terms that `group_of_` knows.
    Weight weighed(uint32_t slot, const std::vector<double> &rarities) const {
        uint32_t counts[64] = {};
        uint64_t before = 0, here = 0;
        double most = 0.0;
        const std::vector<uint32_t> &line = lines_[slot];
        for (size_t i = 0; i <= line.size(); ++i) {
            if (i == line.size() || line[i] == LINE_END) {
                if (here) most = std::max(most, sum(before | here, rarities));
                before = here;
                here = 0;
            } else if (const uint8_t group = group_of_[line[i]]) {
                ++counts[group - 1];
                here |= uint64_t(1) << (group - 1);
            }
        }
        double score = 0.0;
        for (size_t i = 0; i < rarities.size(); ++i) {
            if (counts[i]) score += rarities[i] * counts[i] * (K1 + 1) / (counts[i] + norms_[slot]);
        }
        return Weight{score, most};
    }

    static double sum(uint64_t groups, const std::vector<double> &rarities) {
        double total = 0.0;
        for (size_t i = 0; i < rarities.size(); ++i) {
            if (groups >> i & 1) total += rarities[i];
        }
        return total;
    }

    std::unordered_map<std::string, uint32_t> words_;
    std::vector<const std::string *> names_;  // term: its word in words_, whose keys never move
    std::vector<std::vector<Posting>> lists_;
    std::vector<uint32_t> unused_;  // terms that no document holds any more
    std::unordered_map<int64_t, uint32_t> slots_;
    std::vector<int64_t> keys_;
    std::vector<uint32_t> lengths_;
    std::vector<double> norms_;  // slot: what BM25 adds to a term's count for the document's length; empty after a change
    std::vector<std::vector<uint32_t>> lines_;
    std::vector<uint32_t> free_;
    std::vector<double> scores_;      // zeros between searches
    std::vector<uint8_t> group_of_;  // term: 1 + its group; zeros but while documents are weighed
    uint64_t terms_ = 0;
    size_t pairs_ = 0, ids_ = 0, letters_ = 0;
};

}  // namespace postings
}  // namespace hexar
