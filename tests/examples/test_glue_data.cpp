// SPDX-License-Identifier: MIT
//
// The files of GLUE: columns of every task, quotes, odd line ends and characters, short lines, and what is refused.
#include <unistd.h>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <vector>

#include "glue_data.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace examples;
using ufb_test::error_of;

namespace {

/// A file that is removed at the end.
class text_file {
 public:
  explicit text_file(std::string_view text)
      : path_(std::filesystem::temp_directory_path() / ("ufb_glue_" + std::to_string(::getpid()) + ".tsv")) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;
  ~text_file() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

using text = std::optional<std::string>;
using row = std::tuple<std::string, text, text>;

std::vector<row> read(std::string_view task, std::string_view content, std::size_t* skipped = nullptr) {
  const text_file file(content);
  glue_reader reader(find_glue_task(task), file.path());
  std::vector<row> rows;
  while (auto example = reader.next()) rows.emplace_back(example->first, example->second, example->label);
  if (skipped != nullptr) *skipped = reader.skipped();
  return rows;
}

std::string fields(std::size_t count, const std::vector<std::pair<std::size_t, std::string>>& set) {
  std::string line;
  for (std::size_t i = 0; i < count; ++i) {
    std::string value("x");
    value.append(std::to_string(i));
    for (const auto& [column, wanted] : set) {
      if (column == i) value = wanted;
    }
    line.append(i == 0 ? "" : "\t").append(value);
  }
  return line + '\n';
}

}  // namespace

TEST_CASE("Every task takes its own columns", "[glue]") {
  const struct {
    const char* task;
    std::size_t count, first, second, label;
    const char* name;  // of the label's column
    const char* value;
  } cases[] = {
      {"MNLI", 16, 8, 9, 15, "gold_label", "neutral"},
      {"MRPC", 5, 3, 4, 0, "Quality", "1"},
      {"QNLI", 4, 1, 2, 3, "label", "entailment"},
      {"QQP", 6, 3, 4, 5, "is_duplicate", "0"},
      {"RTE", 4, 1, 2, 3, "label", "not_entailment"},
      {"STS-B", 10, 7, 8, 9, "score", "3.250"},
      {"WNLI", 4, 1, 2, 3, "label", "0"},
  };
  for (const auto& each : cases) {
    INFO(each.task);
    const std::string content =
        fields(each.count, {{each.label, each.name}}) +
        fields(each.count, {{each.first, "one"}, {each.second, "two"}, {each.label, each.value}});
    CHECK(read(each.task, content) == std::vector<row>{{"one", "two", each.value}});
  }
  CHECK(read("SST-2", "sentence\tlabel\ngood\t1\n") == std::vector<row>{{"good", {}, "1"}});
  CHECK(read("CoLA", "gj04\t1\t\tHe ran.\ngj04\t0\t*\tRan he.\n") ==
        std::vector<row>{{"He ran.", {}, "1"}, {"Ran he.", {}, "0"}});
}

TEST_CASE("Test files have no labels and other columns", "[glue]") {
  CHECK(read("CoLA", "index\tsentence\n0\tHe ran.\n") == std::vector<row>{{"He ran.", {}, {}}});
  CHECK(read("SST-2", "index\tsentence\n0\tgood\n") == std::vector<row>{{"good", {}, {}}});
  CHECK(read("QQP", "id\tquestion1\tquestion2\n0\tone\ttwo\n") == std::vector<row>{{"one", "two", {}}});
  CHECK(read("MRPC", "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t7\t8\tone\ttwo\n") ==
        std::vector<row>{{"one", "two", {}}});
  CHECK(read("RTE", "index\tsentence1\tsentence2\n0\tone\ttwo\n") == std::vector<row>{{"one", "two", {}}});
  CHECK(read("QNLI", "index\tquestion\tsentence\n0\tone\ttwo\n") == std::vector<row>{{"one", "two", {}}});
}

TEST_CASE("Quotes are text, and only LF and CR LF end a line", "[glue]") {
  CHECK(read("SST-2", "sentence\tlabel\n\"open\t1\nclosed\"\t0\n\"both\"\t1\n") ==
        std::vector<row>{{"\"open", {}, "1"}, {"closed\"", {}, "0"}, {"\"both\"", {}, "1"}});
  CHECK(read("SST-2",
             "\xEF\xBB\xBFsentence\tlabel\r\na\xE2\x80\xA8"
             "b\t1\r\nc\x0B\x0C\rd\t0\r\ne\xC2\x85"
             "f\t1") == std::vector<row>{{"a\xE2\x80\xA8"
                                          "b",
                                          {},
                                          "1"},
                                         {"c\x0B\x0C\rd", {}, "0"},
                                         {"e\xC2\x85"
                                          "f",
                                          {},
                                          "1"}});
  CHECK(read("SST-2", "sentence\tlabel\n \t1\n") == std::vector<row>{{" ", {}, "1"}});
}

TEST_CASE("Blank lines are passed over and counted, short ones of QQP too", "[glue]") {
  std::size_t skipped = 0;
  CHECK(read("SST-2", "sentence\tlabel\na\t1\n\nb\t0\n\n", &skipped) ==
        std::vector<row>{{"a", {}, "1"}, {"b", {}, "0"}});
  CHECK(skipped == 2);
  const std::string header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n";
  CHECK(read("QQP", header + "1\t2\t3\tone\ttwo\n1\t2\t3\tone\ttwo\t1\n", &skipped) ==
        std::vector<row>{{"one", "two", "1"}});
  CHECK(skipped == 1);
}

TEST_CASE("A label that nobody agreed on is none", "[glue]") {
  const std::string header = fields(16, {{15, "gold_label"}});
  CHECK(read("MNLI", header + fields(16, {{15, "-"}})) == std::vector<row>{{"x8", "x9", {}}});
}

TEST_CASE("Lines without all fields are refused with file and line, and the next one can be read", "[glue]") {
  const text_file file(
      "index\tsentence1\tsentence2\tlabel\n0\tone\ttwo\tentailment\n1\tone\ttwo\n2\ta\tb\tc\td\n3\ta\tb\tentailment\n");
  glue_reader reader(find_glue_task("rte"), file.path());
  CHECK(reader.next()->line == 2);
  for (const std::string line : {"line 3", "line 4"}) {
    const auto e = error_of([&] { static_cast<void>(reader.next()); });
    REQUIRE(e);
    CHECK(e->file() == file.path());
    CHECK(e->where() == line);
    CHECK(e->expected() == "4 fields with tabs between them, as the header has");
    CHECK(e->found() == (line == "line 3" ? "3" : "5"));
  }
  CHECK(reader.next()->line == 5);
  CHECK_FALSE(reader.next());
  const auto cola = error_of([] { static_cast<void>(read("CoLA", "gj04\t1\n")); });
  REQUIRE(cola);
  CHECK(cola->expected() == "at least 4 fields with tabs between them");
}

TEST_CASE("Files without a header or without lines are refused, and tasks that are none", "[glue]") {
  const auto headless = error_of([] { static_cast<void>(read("SST-2", "good\t1\nbad\t0\n")); });
  REQUIRE(headless);
  CHECK(headless->where() == "line 1");
  CHECK(error_of([] { static_cast<void>(read("SST-2", "")); }));
  CHECK(error_of([] { glue_reader(find_glue_task("SST-2"), "/nowhere/dev.tsv"); }));
  for (const char* name : {"sst-2", "SST2", "sst_2"}) CHECK(find_glue_task(name).name == "SST-2");
  const auto unknown = error_of([] { static_cast<void>(find_glue_task("SST-3")); });
  REQUIRE(unknown);
  CHECK(unknown->expected() == "CoLA, MNLI, MRPC, QNLI, QQP, RTE, SST-2, STS-B, WNLI");
}

TEST_CASE("A header without the columns of its task is refused, though its lines are as narrow", "[glue]") {
  const auto problem = error_of([] { (void)read("MNLI", "index\tsentence1\tgold_label\n0\tA\tneutral\n"); });
  REQUIRE(problem);
  CHECK(problem->code() == ultrafastbert::error_code::bad_value);
  CHECK(problem->where() == "line 1");
  CHECK(problem->expected() == "a header of at least 10 fields with tabs between them");
  CHECK(problem->found() == "3");
}
