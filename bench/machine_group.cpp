// SPDX-License-Identifier: MIT
//
// What the machine is and allows, for those who read figures elsewhere: one object in the JSON.
#include <nlohmann/json.hpp>
#include <string>

#include "contenders.hpp"
#include "machine.hpp"

namespace ufb_bench {

namespace {

constexpr std::size_t layer_bytes = 25'159'680;                // a layer 1x11 of width 768 in float32
constexpr std::size_t memory_bytes = std::size_t{512} << 20U;  // beyond the caches of most machines

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& each : words) text += (text.empty() ? "" : ", ") + each;
  return text.empty() ? "unknown" : text;
}

}  // namespace

void run_machine(bench_context& context) {
  constexpr double giga = 1e9;
  const machine_description machine = this_machine();
  const double flops = context.limits.flops();
  const double layer_rate = context.limits.read_rate(layer_bytes);
  const double memory_rate = context.limits.read_rate(memory_bytes);
  const double latency = context.limits.latency(memory_bytes);
  const nlohmann::ordered_json row{{"group", "machine"},
                                   {"processor", machine.processor},
                                   {"family", machine.family},
                                   {"cores", machine.cores},
                                   {"level", machine.level},
                                   {"caches", machine.caches},
                                   {"memory", machine.memory},
                                   {"governor", machine.governor},
                                   {"huge_pages", machine.huge_pages},
                                   {"load", machine.load},
                                   {"compiler", machine.compiler},
                                   {"version", machine.version},
                                   {"date", machine.date},
                                   {"threads", context.options.threads},
                                   {"flops", flops},
                                   {"layer_bytes_per_s", layer_rate},
                                   {"memory_bytes_per_s", memory_rate},
                                   {"memory_latency_s", latency}};
  context.results.begin_table("machine: what it allows", {"caches", "GFLOP/s", "GB/s from 25 MB", "GB/s from 512 MiB",
                                                          "ns to a random line of these"});
  context.results.add({joined(machine.caches), short_number(flops / giga), short_number(layer_rate / giga),
                       short_number(memory_rate / giga), short_number(latency * giga)},
                      row.dump(), true);
  context.results.end_table();
}

}  // namespace ufb_bench
