// What a search found: keys with scores (hexar.core.hits).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace hexar {
namespace hits {

struct Hit {
    int64_t key;
    double score;
};

// Best first; among equals the lower key. Scores are numbers.
inline bool better(const Hit &a, const Hit &b) { return a.score > b.score || (a.score == b.score && a.key < b.key); }

// A score by which can be sorted: what is not a number is behind all that are.
inline double sortable(double score) { return score == score ? score : -std::numeric_limits<double>::infinity(); }

// Keep the best `limit`, best first.
inline void keep_best(std::vector<Hit> &hits, size_t limit) {
    if (hits.size() > limit) {
        std::nth_element(hits.begin(), hits.begin() + limit, hits.end(), better);
        hits.resize(limit);
    }
    std::sort(hits.begin(), hits.end(), better);
}

}  // namespace hits
}  // namespace hexar
