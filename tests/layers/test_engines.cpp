// SPDX-License-Identifier: MIT
//
// The library's own engines: equal bits whatever the engine, the batch, its order, the executor; narrow storage against
// the same layer built from rounded weights.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/random.hpp"
#include "ultrafastbert/cmm/walk.hpp"
#include "ultrafastbert/core/thread_pool.hpp"
#include "ultrafastbert/layers.hpp"

using namespace ultrafastbert;
using namespace ufb_test;

namespace {

constexpr fff_engine own_engines[] = {fff_engine::fused, fff_engine::interleaved, fff_engine::grouped,
                                      fff_engine::automatic};
constexpr weight_storage storages[] = {weight_storage::float32, weight_storage::float16, weight_storage::bfloat16,
                                       weight_storage::int8};

struct problem {
  problem(const fast_feedforward_shape& sizes, bool with_bias, random_numbers& random)
      : shape(sizes),
        nodes(cmm::tree::total_nodes(sizes.depth, sizes.trees())),
        linear_in(random.reals<float>(nodes * sizes.input_width)),
        bias_in(with_bias ? random.reals<float>(nodes, 0.3) : std::vector<float>()),
        linear_out(random.reals<float>(nodes * sizes.output_width)) {}

  [[nodiscard]] fast_feedforward<float> layer(const fast_feedforward_options& options) const {
    return fast_feedforward<float>(shape, {linear_in.data(), {nodes, shape.input_width}}, bias_in,
                                   {linear_out.data(), {shape.output_width, nodes}}, options);
  }

  fast_feedforward_shape shape;
  std::size_t nodes;
  std::vector<float> linear_in;
  std::vector<float> bias_in;
  std::vector<float> linear_out;
};

struct result {
  std::vector<float> y{};
  std::vector<std::int32_t> path{};
};

result run(const fast_feedforward<float>& layer, const std::vector<float>& x, workspace& scratch,
           executor_ref threads = {}) {
  const std::size_t tokens = x.size() / layer.input_width();
  result out{.y = std::vector<float>(tokens * layer.output_width(), -1.0F),
             .path = std::vector<std::int32_t>(tokens * layer.path_length(), -1)};
  layer.forward({x.data(), {tokens, layer.input_width()}}, {out.y.data(), {tokens, layer.output_width()}}, scratch,
                {out.path.data(), {tokens, layer.path_length()}}, threads);
  return out;
}

bool equal(const result& a, const result& b) {
  return a.path == b.path && a.y.size() == b.y.size() &&
         (a.y.empty() || std::memcmp(a.y.data(), b.y.data(), a.y.size() * sizeof(float)) == 0);
}

/// An executor that remembers how many tasks it was given, and takes them from the last to the first.
struct backward_executor {
  std::size_t tasks = 0;

  [[nodiscard]] static std::size_t concurrency() noexcept { return 2; }
  template <class Task>
  void run(std::size_t count, const Task& task) {
    tasks = count;
    for (std::size_t i = count; i > 0; --i) task(i - 1);
  }
};

fast_feedforward_shape random_shape(random_numbers& random) {
  return {.input_width = random.pick<std::size_t>({1, 5, 16, 33, 48, 96}),
          .output_width = random.pick<std::size_t>({1, 7, 16, 40, 65, 96}),
          .depth = random.size(0, 9),
          .parallel_size = random.size(1, 3)};
}

}  // namespace

TEST_CASE("All engines give equal bits for every storage, instruction set level and number of tokens") {
  random_numbers random(1);
  workspace scratch;
  for (int round = 0; round < 12; ++round) {
    const problem p(random_shape(random), random.coin(), random);
    const auto x = random.reals<float>(700 * p.shape.input_width);
    for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
      if (!supported(isa)) continue;
      const weight_storage in = storages[random.size(0, 3)];
      const weight_storage out = storages[random.size(0, 3)];
      INFO(name(isa) << ' ' << name(in) << ' ' << name(out) << " depth " << p.shape.depth);
      for (const auto tokens : std::initializer_list<std::size_t>{0, 1, 3, 8, 31, 200, 700}) {
        const std::vector<float> part(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(tokens * p.shape.input_width));
        result first;
        for (const fff_engine engine : own_engines) {
          const auto layer = p.layer({.engine = engine, .storage_in = in, .storage_out = out, .isa = isa});
          CHECK(layer.isa() == isa);
          const auto got = run(layer, part, scratch);
          if (engine == own_engines[0]) first = got;
          CHECK(equal(got, first));
        }
      }
    }
  }
}

TEST_CASE("A token's bits depend neither on its neighbors nor on their order nor on the threads") {
  random_numbers random(2);
  workspace scratch;
  thread_pool two(2);
  thread_pool four(4);
  for (int round = 0; round < 6; ++round) {
    const problem p(random_shape(random), true, random);
    const auto layer = p.layer({});
    const std::size_t tokens = random.size(100, 900);
    const std::size_t width = p.shape.input_width;
    const auto x = random.reals<float>(tokens * width);
    const auto together = run(layer, x, scratch);
    CHECK(equal(run(layer, x, scratch, two), together));
    CHECK(equal(run(layer, x, scratch, four), together));
    const auto order = random.permutation(tokens);
    std::vector<float> shuffled(x.size());
    for (std::size_t t = 0; t < tokens; ++t)
      std::copy_n(x.data() + order[t] * width, width, shuffled.data() + t * width);
    const auto moved = run(layer, shuffled, scratch);
    for (std::size_t t = 0; t < tokens; ++t) {
      const std::size_t columns = p.shape.output_width;
      REQUIRE(std::memcmp(moved.y.data() + t * columns, together.y.data() + order[t] * columns,
                          columns * sizeof(float)) == 0);
      if (t % 97 == 0) {
        const std::vector<float> alone(shuffled.begin() + static_cast<std::ptrdiff_t>(t * width),
                                       shuffled.begin() + static_cast<std::ptrdiff_t>((t + 1) * width));
        const auto solo = run(layer, alone, scratch);
        CHECK(std::memcmp(solo.y.data(), moved.y.data() + t * columns, columns * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("A batch is split among threads only where that pays, and its bits stay the same") {
  random_numbers random(8);
  workspace scratch;
  const problem p({.input_width = 256, .output_width = 256, .depth = 9}, true, random);
  const auto x = random.reals<float>(4000 * p.shape.input_width);
  thread_pool two(2);
  for (const auto& options :
       {fast_feedforward_options{}, fast_feedforward_options{.storage_in = weight_storage::int8}}) {
    const auto layer = p.layer(options);
    for (const auto& [tokens, tasks] : std::initializer_list<std::pair<std::size_t, std::size_t>>{
             {0, 0}, {1, 0}, {100, 0}, {300, 2}, {800, 7}, {1000, 8}, {4000, 2}}) {
      CAPTURE(tokens);
      const std::vector<float> part(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(tokens * p.shape.input_width));
      const auto expected = run(layer, part, scratch);
      backward_executor backward;
      CHECK(equal(run(layer, part, scratch, backward), expected));
      CHECK(backward.tasks == tasks);
      CHECK(equal(run(layer, part, scratch, two), expected));
    }
  }
}

TEST_CASE("Outputs too large for the caches have the same bits, aligned or not") {
  random_numbers random(9);
  workspace scratch;
  constexpr std::size_t tokens = 4200;
  const problem p({.input_width = 16, .output_width = 1040, .depth = 3}, true, random);
  const auto x = random.reals<float>(tokens * p.shape.input_width);
  for (const weight_storage storage : {weight_storage::float32, weight_storage::int8}) {
    const auto expected = run(p.layer({.engine = fff_engine::interleaved, .storage_out = storage}), x, scratch);
    const auto layer = p.layer({.engine = fff_engine::grouped, .storage_out = storage});
    CHECK(equal(run(layer, x, scratch), expected));
    matrix<float> y({tokens, p.shape.output_width});
    REQUIRE(tokens * p.shape.output_width * sizeof(float) > cmm::cached_bytes);
    layer.forward({x.data(), {tokens, p.shape.input_width}}, y.view(), scratch);
    for (std::size_t t = 0; t < tokens; ++t) {
      REQUIRE(std::memcmp(y.row(t), expected.y.data() + t * p.shape.output_width,
                          p.shape.output_width * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("The dense engine takes the reference's paths and comes near its outputs") {
  random_numbers random(7);
  workspace scratch;
  for (int round = 0; round < 24; ++round) {
    auto shape = random_shape(random);
    shape.depth = static_cast<std::size_t>(round) % 4;
    shape.parallel_size = random.pick<std::size_t>({1, 2, 5, 40});
    shape.activation =
        random.pick({activation_kind::gelu, activation_kind::gelu_tanh, activation_kind::relu, activation_kind::tanh});
    const problem p(shape, random.coin(), random);
    const auto x = random.reals<float>(250 * shape.input_width);
    const auto exact = run(p.layer({.engine = fff_engine::blas}), x, scratch);
    for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
      if (!supported(isa)) continue;
      INFO(name(isa) << " depth " << shape.depth << " trees " << shape.parallel_size);
      const auto layer = p.layer({.engine = fff_engine::dense, .isa = isa});
      CHECK(layer.engine(1) == fff_engine::dense);
      CHECK(layer.isa() == isa);
      const auto got = run(layer, x, scratch);
      REQUIRE(got.path == exact.path);
      // Every visited node contributes a product of an activation of at most `input_width + 1` and a weight below 1.
      const double magnitude = static_cast<double>(layer.path_length() * (shape.input_width + 1));
      const double terms = static_cast<double>(layer.path_length() + shape.input_width + 8);
      for (std::size_t i = 0; i < got.y.size(); ++i) {
        const double off = std::abs(static_cast<double>(got.y[i]) - static_cast<double>(exact.y[i]));
        REQUIRE(off <= terms * 0x1p-23 * magnitude);
      }
    }
  }
}

TEST_CASE("The dense engine gives a token the same bits in any batch, order and number of threads") {
  random_numbers random(8);
  workspace scratch;
  thread_pool two(2);
  thread_pool three(3);
  for (const std::size_t depth : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    const problem p({.input_width = 33, .output_width = 40, .depth = depth, .parallel_size = 70}, true, random);
    for (const isa_level isa : {isa_level::portable, isa_level::neon, isa_level::avx2, isa_level::avx512}) {
      if (!supported(isa)) continue;
      const auto layer = p.layer({.engine = fff_engine::dense, .isa = isa});
      constexpr std::size_t tokens = 420;
      const std::size_t width = p.shape.input_width;
      const auto x = random.reals<float>(tokens * width);
      const auto together = run(layer, x, scratch);
      CHECK(equal(run(layer, x, scratch, two), together));
      CHECK(equal(run(layer, x, scratch, three), together));
      for (const std::size_t batch : {std::size_t{1}, std::size_t{5}, std::size_t{32}, std::size_t{200}}) {
        const std::size_t first = random.size(0, tokens - batch);
        std::vector<float> backwards;
        for (std::size_t t = batch; t-- > 0;) {
          const auto row = x.begin() + static_cast<std::ptrdiff_t>((first + t) * width);
          backwards.insert(backwards.end(), row, row + static_cast<std::ptrdiff_t>(width));
        }
        const auto part = run(layer, backwards, scratch);
        for (std::size_t t = 0; t < batch; ++t) {
          REQUIRE(std::memcmp(part.y.data() + t * 40, together.y.data() + (first + batch - 1 - t) * 40,
                              40 * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST_CASE("Shallow layers of many trees choose the dense engine of themselves, by their shape alone") {
  random_numbers random(9);
  const auto chosen = [&](std::size_t depth, std::size_t trees, const fast_feedforward_options& options) {
    const problem p({.input_width = 8, .output_width = 8, .depth = depth, .parallel_size = trees}, false, random);
    return p.layer(options).engine(1);
  };
  CHECK(chosen(0, 100, {}) == fff_engine::dense);
  CHECK(chosen(1, 100, {}) == fff_engine::dense);
  CHECK(chosen(2, 100, {}) == fff_engine::dense);
  CHECK(chosen(3, 100, {}) == fff_engine::fused);
  CHECK(chosen(1, 3, {}) == fff_engine::fused);
  CHECK(chosen(6, 3, {}) == fff_engine::fused);
  CHECK(chosen(1, 100, {.storage_out = weight_storage::float16}) == fff_engine::fused);
  CHECK(chosen(1, 100, {.engine = fff_engine::grouped}) == fff_engine::grouped);
  CHECK(chosen(6, 3, {.engine = fff_engine::dense}) == fff_engine::dense);
}

TEST_CASE("Deep and wide trees pass through the two stages of the grouped engine") {
  random_numbers random(3);
  workspace scratch;
  const problem p({.input_width = 20, .output_width = 12, .depth = 12, .parallel_size = 1}, true, random);
  const auto x = random.reals<float>(20'000 * p.shape.input_width);
  CHECK(equal(run(p.layer({.engine = fff_engine::grouped}), x, scratch),
              run(p.layer({.engine = fff_engine::interleaved}), x, scratch)));
}

TEST_CASE("Ties, NaN and infinite logits keep every engine inside the tree") {
  random_numbers random(4);
  workspace scratch;
  problem p({.input_width = 4, .output_width = 3, .depth = 5, .parallel_size = 2}, true, random);
  for (float& w : p.linear_in) w = std::round(w * 2);
  for (float& b : p.bias_in) b = 0.0F;
  std::vector<float> x(64 * 4);
  for (float& v : x) v = std::round(random.real<float>(2));
  x[5] = std::numeric_limits<float>::quiet_NaN();
  x[42] = std::numeric_limits<float>::infinity();
  x[80] = -std::numeric_limits<float>::infinity();
  const auto reference = run(p.layer({.engine = fff_engine::blas}), x, scratch);
  for (const fff_engine engine : own_engines)
    CHECK(run(p.layer({.engine = engine}), x, scratch).path == reference.path);
  CHECK(run(p.layer({.engine = fff_engine::dense}), x, scratch).path == reference.path);
}

TEST_CASE("Narrow storage routes as a layer of the rounded weights does") {
  random_numbers random(5);
  workspace scratch;
  const problem p({.input_width = 48, .output_width = 48, .depth = 7, .parallel_size = 1}, true, random);
  const auto x = random.reals<float>(500 * p.shape.input_width);
  const auto exact = run(p.layer({.engine = fff_engine::blas}), x, scratch);
  double before = 0;
  for (const weight_storage storage : storages) {
    const auto narrow = run(p.layer({.storage_out = storage}), x, scratch);
    CHECK(narrow.path == exact.path);  // the first matrix is float32, so that no decision changes
    double worst = 0;
    for (std::size_t i = 0; i < narrow.y.size(); ++i) {
      worst = std::max(worst, std::abs(static_cast<double>(narrow.y[i]) - static_cast<double>(exact.y[i])));
    }
    INFO(name(storage));
    // Eight rows of values below 1 times activations of at most a few units, each off by half a unit of its type.
    const double unit = storage == weight_storage::float32    ? 1e-6
                        : storage == weight_storage::float16  ? 0x1p-11
                        : storage == weight_storage::bfloat16 ? 0x1p-8
                                                              : 1.0 / 127;
    CHECK(worst <= 40 * unit);
    CHECK(worst >= before);
    before = worst;
  }
}

TEST_CASE("A layer reports its engine, its level and its bytes, and refuses a level that the processor lacks") {
  random_numbers random(6);
  const problem p({.input_width = 64, .output_width = 64, .depth = 3, .parallel_size = 1}, false, random);
  const auto layer = p.layer({});
  CHECK(layer.isa() == resolve(isa_level::automatic));
  CHECK(layer.engine(1) == fff_engine::fused);
  CHECK(layer.engine(100'000) == fff_engine::interleaved);
  CHECK(p.layer({.engine = fff_engine::blas}).engine(7) == fff_engine::blas);
  CHECK(layer.bytes() == 2 * 15 * 64 * sizeof(float));
  CHECK(p.layer({.storage_in = weight_storage::float16, .storage_out = weight_storage::int8}).bytes() ==
        15 * 64 * 2 + 15 * 64 + 15 * sizeof(float));
  for (const isa_level isa : {isa_level::neon, isa_level::avx2, isa_level::avx512}) {
    if (supported(isa)) continue;
    CHECK(error_of([&] { static_cast<void>(p.layer({.isa = isa})); })->code() == error_code::unsupported);
  }
}

TEST_CASE("A pool runs every task once, hands on an exception, and one thread is the caller's own") {
  thread_pool pool(3);
  CHECK(pool.concurrency() == 3);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::atomic<int>> done(17);
    pool.run(done.size(), [&](std::size_t i) { ++done[i]; });
    CHECK(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }));
  }
  const auto thrower = [](std::size_t i) {
    if (i == 5) fail_input("task", "anything else", "5");
  };
  CHECK(error_of([&] { pool.run(9, thrower); })->code() == error_code::invalid_input);
  CHECK_NOTHROW(pool.run(5, thrower));
  CHECK(thread_pool(1).concurrency() == 1);
  CHECK(error_of([] { const thread_pool none(0); })->code() == error_code::invalid_input);
}
