// Reciprocal rank fusion of two orders, and the sum of standard scores (hexar.core.fusion).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hexar {
namespace fusion {

// A spread below this is none: all documents have the same score.
constexpr double SPREAD = 1e-9;

struct Ranked {
    int64_t key;
    uint32_t first, second;  // places from 1; 0: not there
    double score;
};

// Best first; among equals by the place in the first order, then the lower key. None, 0, wraps and is behind every place.
inline bool better(const Ranked &a, const Ranked &b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.first != b.first) return a.first - 1 < b.first - 1;
    return a.key < b.key;
}

// The place further in front, where 0 is none.
inline uint32_t earlier(uint32_t a, uint32_t b) { return a && b ? std::min(a, b) : a | b; }

// The best `limit` of the keys in both orders.
inline std::vector<Ranked> fuse(const std::vector<int64_t> &first, const std::vector<int64_t> &second, double constant,
                                size_t limit) {
    std::vector<Ranked> found;
    found.reserve(first.size() + second.size());
    for (size_t i = 0; i < first.size(); ++i) found.push_back(Ranked{first[i], uint32_t(i + 1), 0, 0.0});
    for (size_t i = 0; i < second.size(); ++i) found.push_back(Ranked{second[i], 0, uint32_t(i + 1), 0.0});
    std::sort(found.begin(), found.end(), [](const Ranked &a, const Ranked &b) { return a.key < b.key; });
    size_t kept = 0;
    for (const Ranked &each : found) {
        if (kept && found[kept - 1].key == each.key) {
            Ranked &same = found[kept - 1];
            same.first = earlier(same.first, each.first);
            same.second = earlier(same.second, each.second);
        } else {
            found[kept++] = each;
        }
    }
    found.resize(kept);
    for (Ranked &each : found) {
        if (each.first) each.score += 1.0 / (constant + each.first);
        if (each.second) each.score += 1.0 / (constant + each.second);
    }
    limit = std::min(limit, kept);
    std::partial_sort(found.begin(), found.begin() + limit, found.end(), better);
    found.resize(limit);
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
