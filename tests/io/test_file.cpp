// SPDX-License-Identifier: MIT
//
// Files: what is refused, and reading by position.
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>

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
  // Root may read everything, so that it has to be somebody else for a moment.
  const bool root = ::geteuid() == 0;
  constexpr ::uid_t nobody = 65'534;
  if (root) REQUIRE(::seteuid(nobody) == 0);
  const auto problem = open_error(secret);
  if (root) REQUIRE(::seteuid(0) == 0);
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
