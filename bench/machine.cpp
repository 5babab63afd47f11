// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <array>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

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

}  // namespace

std::string describe_machine(std::size_t threads) {
  const auto level = ufb::name(ufb::resolve(ufb::isa_level::automatic));
  std::string text = "- Processor: " + or_unknown(value_in("/proc/cpuinfo", "model name")) + " (family " +
                     or_unknown(value_in("/proc/cpuinfo", "cpu family")) + "), " +
                     std::to_string(std::thread::hardware_concurrency()) + " cores, level " + std::string(level) + '\n';
  text += "- Governor: " + or_unknown(value_in("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "")) +
          "; transparent huge pages: " + or_unknown(value_in("/sys/kernel/mm/transparent_hugepage/enabled", "")) +
          "; memory: " + or_unknown(value_in("/proc/meminfo", "MemTotal")) +
          "; load: " + or_unknown(value_in("/proc/loadavg", "")) + '\n';
  text += "- Compiler: " __VERSION__ "; ultrafastbert " + std::to_string(UFB_VERSION_MAJOR) + '.' +
          std::to_string(UFB_VERSION_MINOR) + '.' + std::to_string(UFB_VERSION_PATCH) +
          ", no -march; threads: " + std::to_string(threads) + '\n';
  text += "- Date: " + now() + '\n';
  return text;
}

std::size_t available_memory() {
  const std::string kilobytes = value_in("/proc/meminfo", "MemAvailable");
  return kilobytes.empty() ? 0 : std::stoull(kilobytes) * 1024;
}

}  // namespace ufb_bench
