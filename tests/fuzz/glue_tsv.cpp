// SPDX-License-Identifier: MIT
//
// Fuzz target: an input is a file of a GLUE task, which its first byte chooses.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fuzz/fuzz_input.hpp"
#include "glue_data.hpp"

namespace {

using namespace ufb_fuzz;

void check_field(std::string_view field) {
  require(field.find_first_of("\t\n") == std::string_view::npos, "a field holds what ends fields");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch_folder folder;
  byte_stream input(data, size);
  const examples::glue_task& task = examples::glue_tasks()[input.size(0, examples::glue_tasks().size() - 1)];
  const std::string_view text = input.rest();
  folder.write("dev.tsv", text);
  attempt([&] {
    examples::glue_reader reader(task, (folder.path() / "dev.tsv").string());
    std::size_t line = 0;
    std::size_t count = 0;
    while (const auto example = reader.next()) {
      require(example->line > line, "lines do not rise");
      line = example->line;
      ++count;
      check_field(example->first);
      if (example->second) check_field(*example->second);
      if (example->label) check_field(*example->label);
      require(!example->label || reader.has_labels(), "a label in a file without any");
      require(reader.bytes_read() <= text.size() + 1, "more bytes than the file has");
    }
    require(!reader.next(), "an example behind the last one");
    require(count <= line, "more examples than lines");
  });
  return 0;
}
