// SPDX-License-Identifier: MIT
//
// The main program of a fuzz target without a fuzzer: `ufb_fuzz_TARGET FILE...` runs the files and the files in
// folders, and prints how many there were.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& given) {
  if (!std::filesystem::is_directory(given)) return {given};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(given)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& path : files_of(argv[i])) {
      std::ifstream file(path, std::ios::binary);
      if (!file) {
        std::cerr << path.string() << " cannot be read\n";
        return 2;
      }
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      // Memory of just this size, so that a sanitizer sees what is read behind it.
      const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
      // Written at once, without a line's end: it names the input if this one ends the program.
      std::cerr << '\r' << path.filename().string() << std::flush;
      LLVMFuzzerTestOneInput(input.data(), input.size());
      ++count;
    }
  }
  std::cerr << '\r' << std::flush;
  std::cout << count << " files\n";
  return count == 0 ? 2 : 0;
}
