// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ultrafastbert/core/version.hpp"
#include "ultrafastbert/kernels/isa.hpp"

namespace ufb_bench {

namespace {

namespace ufb = ultrafastbert;

// The rest of the first line of `file` that starts with `key`, without separators; empty if there is none.
std::string value_in(const char* file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const auto start = line.find_first_not_of(" \t:", key.size());
    return start == std::string::npos ? std::string() : line.substr(start);
  }
  return {};
}

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm fields{};
  if (gmtime_r(&seconds, &fields) == nullptr) return "unknown";
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &fields);
  return text.data();
}

// A cache's size with the larger unit that leaves no rest.
std::string size_text(std::size_t bytes) {
  constexpr std::size_t kilo = 1024;
  if (bytes % (kilo * kilo) == 0) return std::to_string(bytes / kilo / kilo) + " MiB";
  return std::to_string(bytes / kilo) + " KiB";
}

// Data caches, the smallest first. Some virtual machines have none of the kernel's files; the C library asks the
// processor itself.
std::vector<std::string> data_caches() {
  std::vector<std::string> found;
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + '/';
    const auto read = [&](const char* name) { return value_in((folder + name).c_str(), ""); };
    if (read("size").empty() || read("type") == "Instruction") continue;
    std::string text("L");
    text.append(read("level")).append(" ").append(read("size"));
    found.push_back(std::move(text));
  }
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  if (found.empty()) {
    int level = 0;
    for (const int name : {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE}) {
      ++level;
      const long bytes = sysconf(name);
      if (bytes > 0) found.push_back('L' + std::to_string(level) + ' ' + size_text(static_cast<std::size_t>(bytes)));
    }
  }
#endif
  return found;
}

}  // namespace

machine_description this_machine() {
  return {.processor = or_unknown(value_in("/proc/cpuinfo", "model name")),
          .family = or_unknown(value_in("/proc/cpuinfo", "cpu family")),
          .cores = std::thread::hardware_concurrency(),
          .level = std::string(ufb::name(ufb::resolve(ufb::isa_level::automatic))),
          .caches = data_caches(),
          .governor = or_unknown(value_in("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "")),
          .huge_pages = or_unknown(value_in("/sys/kernel/mm/transparent_hugepage/enabled", "")),
          .memory = or_unknown(value_in("/proc/meminfo", "MemTotal")),
          .load = or_unknown(value_in("/proc/loadavg", "")),
          .compiler = __VERSION__,
          .version = std::to_string(UFB_VERSION_MAJOR) + '.' + std::to_string(UFB_VERSION_MINOR) + '.' +
                     std::to_string(UFB_VERSION_PATCH),
          .date = now()};
}

std::string describe_machine(std::size_t threads) {
  const machine_description machine = this_machine();
  std::string text = "- Processor: " + machine.processor + " (family " + machine.family + "), " +
                     std::to_string(machine.cores) + " cores, level " + machine.level + '\n';
  text += "- Governor: " + machine.governor + "; transparent huge pages: " + machine.huge_pages +
          "; memory: " + machine.memory + "; load: " + machine.load + '\n';
  text += "- Compiler: " + machine.compiler + "; ultrafastbert " + machine.version +
          ", no -march; threads: " + std::to_string(threads) + '\n';
  text += "- Date: " + machine.date + '\n';
  return text;
}

std::size_t available_memory() {
  const std::string kilobytes = value_in("/proc/meminfo", "MemAvailable");
  return kilobytes.empty() ? 0 : std::stoull(kilobytes) * 1024;
}

}  // namespace ufb_bench
