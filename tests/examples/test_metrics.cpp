// SPDX-License-Identifier: MIT
//
// The metrics of GLUE against values that were computed by hand.
#include <cmath>
#include <cstddef>
#include <vector>

#include "metrics.hpp"
#include "support/catch.hpp"

using namespace examples;

using classes = std::vector<std::size_t>;
using scores = std::vector<double>;

TEST_CASE("Accuracy, F1 and Matthews correlation of two classes", "[glue]") {
  const classes gold{1, 1, 1, 0, 0, 0, 1, 0};
  const classes even{1, 0, 1, 0, 1, 0, 1, 0};  // 3 and 3 are right, 1 of each kind is wrong
  CHECK(accuracy(gold, even) == Approx(0.75));
  CHECK(f1_score(count_confusion(gold, even)) == Approx(0.75));
  CHECK(matthews_correlation(count_confusion(gold, even)) == Approx(0.5));  // (9 - 1) / 16

  const classes rare{1, 0, 0, 0, 0};
  const classes eager{1, 1, 0, 0, 0};
  const confusion counts = count_confusion(rare, eager);
  CHECK(counts.true_positive == 1);
  CHECK(counts.false_positive == 1);
  CHECK(counts.false_negative == 0);
  CHECK(counts.true_negative == 3);
  CHECK(accuracy(rare, eager) == Approx(0.8));
  CHECK(f1_score(counts) == Approx(2.0 / 3.0));
  CHECK(matthews_correlation(counts) == Approx(3.0 / std::sqrt(24.0)));
  CHECK(f1_score(count_confusion(eager, rare)) == Approx(2.0 / 3.0));
}

TEST_CASE("Metrics of classes are 0 where nothing is to be divided", "[glue]") {
  const classes none{0, 0, 0};
  const classes all{1, 1, 1};
  CHECK(f1_score(count_confusion(none, none)) == 0.0);
  CHECK(matthews_correlation(count_confusion(none, none)) == 0.0);
  CHECK(matthews_correlation(count_confusion(none, all)) == 0.0);
  CHECK(accuracy(none, none) == 1.0);
  CHECK(accuracy(none, all) == 0.0);
  CHECK(accuracy(classes{}, classes{}) == 0.0);
}

TEST_CASE("Accuracy of three classes", "[glue]") {
  CHECK(accuracy(classes{0, 1, 2, 2}, classes{0, 2, 2, 1}) == Approx(0.5));
}

TEST_CASE("Pearson and Spearman correlation", "[glue]") {
  const scores a{1, 2, 3, 4};
  const scores b{1, 3, 2, 6};
  CHECK(pearson_correlation(a, b) == Approx(7.0 / std::sqrt(70.0)));
  CHECK(spearman_correlation(a, b) == Approx(0.8));  // 1 - 6 * 2 / 60
  CHECK(pearson_correlation(a, scores{8, 6, 4, 2}) == Approx(-1.0));
  CHECK(spearman_correlation(a, scores{1, 10, 100, 1000}) == Approx(1.0));
  CHECK(std::isnan(pearson_correlation(a, scores{5, 5, 5, 5})));
}

TEST_CASE("Equal values share the mean of their ranks", "[glue]") {
  CHECK(ranks_of(scores{10, 30, 20, 20}) == scores{1, 4, 2.5, 2.5});
  CHECK(ranks_of(scores{7, 7, 7}) == scores{2, 2, 2});
  CHECK(ranks_of(scores{}).empty());
  CHECK(spearman_correlation(scores{10, 20, 20, 30}, scores{1, 2, 3, 4}) == Approx(4.5 / std::sqrt(22.5)));
}
