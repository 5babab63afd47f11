// SPDX-License-Identifier: MIT
//
// Files: what is refused, and reading by position.
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>

#include "as_nobody.hpp"
#include "support.hpp"
#include "ultrafastbert/io/file.hpp"

using namespace ufb_test;

namespace {

std::optional<ufb::error> open_error(const std::filesystem::path& path) {
  return error_of([&] { (void)ufb::input_file::open(path); });
}

}  // namespace

TEST_CASE("A missing file is an io_error that carries its path and the system's reason", "[file]") {
  const scratch_folder folder;
  const auto problem = open_error(folder.path() / "absent");
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->file() == (folder.path() / "absent").string());
  CHECK(problem->details().reason == "No such file or directory");
}

TEST_CASE("Folders, FIFOs and devices are refused without waiting", "[file]") {
  const scratch_folder folder;
  const auto fifo = folder.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(open_error(folder.path())->details().reason == "Is a directory");
  CHECK(open_error(fifo)->found() == "a FIFO, socket or device");
  CHECK(open_error("/dev/zero")->found() == "a FIFO, socket or device");
  CHECK(open_error("/dev/null")->code() == ufb::error_code::io_error);
  CHECK(code_of([&] { (void)ufb::safetensors::open(folder.path()); }) == "io_error");
  CHECK(code_of([&] { (void)ufb::safetensors::open(fifo); }) == "io_error");
  CHECK(code_of([] { (void)ufb::safetensors::open("/dev/zero"); }) == "io_error");
}

TEST_CASE("A file that may not be read is an io_error with the system's reason", "[file]") {
  const scratch_folder folder;
  const auto secret = folder.write("secret", "x");
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  const auto problem = as_nobody([&] { (void)ufb::input_file::open(secret); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->file() == secret.string());
  CHECK(problem->details().reason == "Permission denied");
}

TEST_CASE("Symbolic links are followed, dangling and circular ones are errors", "[file]") {
  const scratch_folder folder;
  folder.write("real", "hello");
  std::filesystem::create_symlink("real", folder.path() / "link");
  std::filesystem::create_symlink("absent", folder.path() / "dangling");
  std::filesystem::create_symlink("circle", folder.path() / "circle");
  CHECK(ufb::read_text_file(folder.path() / "link", 5) == "hello");
  CHECK(open_error(folder.path() / "dangling")->code() == ufb::error_code::io_error);
  CHECK(open_error(folder.path() / "circle")->code() == ufb::error_code::io_error);
}

TEST_CASE("Bytes are read by position and never beyond the end", "[file]") {
  const scratch_folder folder;
  auto opened = ufb::input_file::open(folder.write("f", "0123456789"));
  const ufb::input_file file = std::move(opened);
  CHECK(file.size() == 10);
  std::array<std::byte, 4> out{};
  file.read(6, out);
  CHECK(out[0] == std::byte{'6'});
  CHECK(out[3] == std::byte{'9'});
  const auto problem = error_of([&] { file.read(7, out); });
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::truncated);
  CHECK(problem->details().byte_offset == 10U);
  file.read(10, std::span<std::byte>());
}

TEST_CASE("A text file over its limit is refused before it is read", "[file]") {
  const scratch_folder folder;
  const auto path = folder.write("f", "12345");
  CHECK(ufb::read_text_file(path, 5) == "12345");
  CHECK(code_of([&] { (void)ufb::read_text_file(path, 4); }) == "limit_exceeded");
}

TEST_CASE("A file that shrinks after it was opened is truncated, not a crash", "[file]") {
  const scratch_folder folder;
  const auto path = folder.write("f", one_tensor<float>("a", "F32", {1.0F, 2.0F}));
  const auto file = ufb::safetensors::open(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  std::array<float, 2> out{};
  CHECK(code_of([&] { file.read<float>(file.tensors()[0], 0, out); }) == "truncated");
}

TEST_CASE("A Git LFS pointer in place of any file is an io_error that says what to do", "[file]") {
  const scratch_folder folder;
  const auto path = folder.write("config.json", lfs_pointer(570));
  const auto problem = open_error(path);
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::io_error);
  CHECK(problem->file() == path.string());
  CHECK(problem->expected() == "the file itself");
  CHECK(problem->found() == "a Git LFS pointer to it");
  CHECK_THAT(problem->what(), ContainsSubstring("run `git lfs pull`"));
  CHECK(code_of([&] { (void)ufb::read_text_file(path, 1000); }) == "io_error");
  CHECK(code_of([&] { (void)ufb::read_text_file(path, 5); }) == "io_error");
  CHECK(open_error(folder.write("old", "version https://hawser.github.com/spec/v1\n")));
}

TEST_CASE("Texts that only resemble a Git LFS pointer are read", "[file]") {
  const scratch_folder folder;
  for (const std::string& text :
       {std::string(), std::string("version"), std::string("version https://git-lfs.github.com/spec/"),
        "x" + lfs_pointer(3), "\n" + lfs_pointer(3), lfs_pointer(3) + std::string(1000, 'x')}) {
    INFO(ufb::excerpt(text));
    CHECK(ufb::read_text_file(folder.write("f", text), 2000) == text);
  }
}

TEST_CASE("A file that was moved from is closed and empty, and one that is assigned to itself stays open", "[file]") {
  const scratch_folder folder;
  auto a = ufb::input_file::open(folder.write("a", "abc"));
  auto b = ufb::input_file::open(folder.write("b", "defgh"));
  b = std::move(a);
  CHECK(b.size() == 3);
  CHECK(a.size() == 0);     // NOLINT(bugprone-use-after-move): what is left behind is documented
  CHECK(a.name().empty());  // NOLINT(bugprone-use-after-move)
  std::array<std::byte, 1> out{};
  CHECK(code_of([&] { a.read(0, out); }) == "io_error");  // NOLINT(bugprone-use-after-move)
  auto& same = b;
  b = std::move(same);
  CHECK(b.size() == 3);
  b.read(2, out);
  CHECK(out[0] == std::byte{'c'});
}

TEST_CASE("Names that could lead out of a folder are told from those that cannot", "[file]") {
  for (const char* name : {"a", "a.json", "1_Pooling/config.json", "a/b/c", ".hidden", "a b"}) {
    INFO(name);
    CHECK(ufb::io::stays_inside(name));
  }
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string("a/."), std::string(".."), std::string("a/../b"), std::string("a/.."), std::string("a..b"),
        std::string("a\\b"), std::string("C:a"), std::string("a\0b", 3)}) {
    INFO(ufb::excerpt(name));
    CHECK_FALSE(ufb::io::stays_inside(name));
  }
}
