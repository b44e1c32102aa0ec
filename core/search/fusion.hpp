// Reciprocal rank fusion of two orders, and the sum of standard scores (hexar.core.search.fusion).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "hits.hpp"

namespace hexar {
namespace fusion {

// A spread below this is none: all documents have the same score.
constexpr double SPREAD = 1e-9;

struct Ranked {
    int64_t key;
    uint32_t first, second;  // places from 1; 0: not there
    double score;
    double second_score;  // 0 where it is not there
};

// Best first; among equals by the place in the first order, then the lower key. None, 0, wraps and is behind every place.
inline bool better(const Ranked &a, const Ranked &b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.first != b.first) return a.first - 1 < b.first - 1;
    return a.key < b.key;
}

// Keys and their places in a list: open addressing, at most half full.
class Places {
  public:
    explicit Places(size_t most) {
        size_t size = 16;
        while (size < 2 * most) size *= 2;
        held_.assign(size, 0);
    }

    // The place of `key` in `list`, to which it is added where it is not there.
    size_t of(int64_t key, std::vector<Ranked> &list) {
        const size_t mask = held_.size() - 1;
        // Fibonacci hashing; the upper half of the product depends on all bits of the key.
        size_t at = size_t((uint64_t(key) * 0x9E3779B97F4A7C15u) >> 32) & mask;
        while (held_[at] && list[held_[at] - 1].key != key) at = (at + 1) & mask;
        if (!held_[at]) {
            list.push_back(Ranked{key, 0, 0, 0.0, 0.0});
            held_[at] = uint32_t(list.size());
        }
        return held_[at] - 1;
    }

  private:
    std::vector<uint32_t> held_;  // 1 + place; 0: free
};

// The best `limit` of the keys in both orders.
inline std::vector<Ranked> fuse(const std::vector<hits::Hit> &first, const std::vector<hits::Hit> &second, double constant,
                                size_t limit) {
    std::vector<Ranked> found;
    found.reserve(first.size() + second.size());
    Places places(first.size() + second.size());
    for (size_t i = 0; i < first.size(); ++i) {
        Ranked &each = found[places.of(first[i].key, found)];
        if (!each.first) each.first = uint32_t(i + 1);
    }
    for (size_t i = 0; i < second.size(); ++i) {
        Ranked &each = found[places.of(second[i].key, found)];
        if (each.second) continue;
        each.second = uint32_t(i + 1);
        each.second_score = second[i].score;
    }
    for (Ranked &each : found) {
        if (each.first) each.score += 1.0 / (constant + each.first);
        if (each.second) each.score += 1.0 / (constant + each.second);
    }
    limit = std::min(limit, found.size());
    std::partial_sort(found.begin(), found.begin() + limit, found.end(), better);
    found.resize(limit);
    return found;
}

struct Scored {
    size_t place;  // in the list that was ordered
    double score;
};

// The order of `ranked` where the first of them have a score each: these stay in front, best first, ties by key, their scores
// moved above 1. The others keep their places and score 1 / (constant + place), which is below 1.
inline std::vector<Scored> order(const std::vector<Ranked> &ranked, const std::vector<double> &scores, double constant) {
    const double lowest = scores.empty() ? 0.0 : *std::min_element(scores.begin(), scores.end());
    std::vector<Scored> found(ranked.size());
    for (size_t i = 0; i < found.size(); ++i) {
        const double score = i < scores.size() ? 1.0 + scores[i] - lowest : 1.0 / (constant + double(i + 1));
        found[i] = Scored{i, hits::sortable(score)};
    }
    std::sort(found.begin(), found.begin() + scores.size(), [&ranked](const Scored &a, const Scored &b) {
        return a.score > b.score || (a.score == b.score && ranked[a.place].key < ranked[b.place].key);
    });
    return found;
}

// Add `weight` times the standard score of each of `scores` to `total`, which is as long.
inline void add_standard(std::vector<double> &scores, double weight, std::vector<double> &total) {
    if (scores.empty()) return;
    double mean = 0.0, spread = 0.0;
    for (double score : scores) mean += score;
    mean /= double(scores.size());
    for (double &score : scores) {
        score -= mean;
        spread += score * score;
    }
    spread = std::sqrt(spread / double(scores.size()));
    if (!(spread > SPREAD)) return;
    for (size_t i = 0; i < scores.size(); ++i) total[i] += weight / spread * scores[i];
}

}  // namespace fusion
}  // namespace hexar
