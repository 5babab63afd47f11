// SPDX-License-Identifier: MIT
//
// Every way a container can be wrong: its code, the tensor it names, the byte, what was expected and what was found.
#include <cstdint>
#include <string>
#include <vector>

#include "support.hpp"

using namespace ufb_test;

namespace {

std::optional<ufb::error> refusal(const std::string& block, const ufb::safetensors_limits& limits = {}) {
  return error_of([&] { (void)parse(block, limits); });
}

std::string refusal_code(const std::string& block, const ufb::safetensors_limits& limits = {}) {
  return code_of([&] { (void)parse(block, limits); });
}

/// Code for a header whose tensor data has `data_bytes` bytes.
std::string header_code(const std::string& header, std::size_t data_bytes = 0,
                        const ufb::safetensors_limits& limits = {}) {
  return refusal_code(container(header, std::string(data_bytes, '\0')), limits);
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + '}';
}

std::string tensor_code(const std::string& dtype, const std::string& shape, const std::string& offsets,
                        std::size_t data_bytes = 0) {
  return header_code(R"({"a":)" + entry(dtype, shape, offsets) + '}', data_bytes);
}

const std::string good = entry("F32", "[1]", "[0,4]");
const std::string nothing = entry("U8", "[0]", "[0,0]");

}  // namespace

TEST_CASE("Fewer than eight bytes are truncated", "[safetensors]") {
  for (std::size_t size = 0; size < 8; ++size) {
    const auto problem = refusal(std::string(size, '\0'));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::truncated);
    CHECK(problem->file() == "block");
    CHECK(problem->found() == std::to_string(size));
    CHECK(problem->details().byte_offset == size);
  }
  CHECK(code_of([] { (void)ufb::safetensors::from_memory({}, "none"); }) == "truncated");
}

TEST_CASE("A header length over the limit is refused, however long the file", "[safetensors]") {
  for (const std::uint64_t length : {std::uint64_t{100'000'001}, ~std::uint64_t{0}, ~std::uint64_t{7},
                                     std::uint64_t{1} << 63U, (std::uint64_t{1} << 32U) + 2}) {
    std::string block = container("{}");
    std::memcpy(block.data(), &length, sizeof(length));
    const auto problem = refusal(block);
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::bad_header_length);
    CHECK(problem->byte_offset() == 0U);
    CHECK(problem->expected() == "a header of at most 100000000 bytes");
    CHECK(problem->found() == std::to_string(length));
    CHECK(refusal_code(block, {.header_bytes = ~std::uint64_t{0}}) ==
          (length >> 63U != 0 ? "bad_header_length" : "truncated"));
  }
  CHECK(header_code("{}", 0, {.header_bytes = 2}) == "none");
  CHECK(header_code("{ }", 0, {.header_bytes = 2}) == "bad_header_length");
}

TEST_CASE("A file that ends inside its header is truncated, wherever it was cut", "[safetensors]") {
  const std::string whole = one_tensor<float>("a", "F32", {1.0F, 2.0F});
  const std::size_t header = whole.size() - 8 - 8;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto problem = refusal(whole.substr(0, size));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::truncated);
    CHECK(problem->byte_offset() == size);
    if (size < 8 || size >= 8 + header) continue;
    CHECK(problem->expected() == "a header of " + std::to_string(header) + " bytes");
    CHECK(problem->found() == std::to_string(size - 8) + " bytes");
    CHECK(problem->reason() == "the file ends inside its header");
  }
}

TEST_CASE("A Git LFS pointer is reported as what it is, from file and from memory", "[safetensors]") {
  const std::string pointer = lfs_pointer(1'000'000);
  const scratch_folder folder;
  const auto path = folder.write("model.safetensors", pointer);
  for (const auto& problem : {error_of([&] { (void)ufb::safetensors::open(path); }), refusal(pointer)}) {
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::io_error);
    CHECK(problem->found() == "a Git LFS pointer to it");
    CHECK_THAT(problem->reason(), ContainsSubstring("git lfs pull"));
  }
}

TEST_CASE("A header that is no JSON object in UTF-8 is bad_json", "[safetensors]") {
  const std::vector<std::string> headers = {"",
                                            "[]",
                                            " {}",
                                            "\xef\xbb\xbf{}",
                                            "null",
                                            "\"{}\"",
                                            "{",
                                            "{}}",
                                            "{} x",
                                            "{},",
                                            "{}{}",
                                            "{\"a\":}",
                                            "{\"a\":" + good + ",}",
                                            "{'a':1}",
                                            "{}//",
                                            "{\"\xff\":" + good + '}',
                                            "{\"\xc3\x28\":" + good + '}',
                                            "{\"\\ud83d\":" + good + '}',
                                            "{\"a\":" + good,
                                            std::string("{}\0", 3),
                                            std::string("\0{}", 3),
                                            std::string("{\"\0\":1}", 7),
                                            "{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}"};
  for (const auto& header : headers) {
    INFO(ufb::excerpt(header));
    CHECK(header_code(header, 4) == "bad_json");
  }
  CHECK(refusal(container("[]"))->details().byte_offset == 8U);
  CHECK(refusal(container("{} x"))->details().byte_offset == 11U);
  CHECK(refusal(container("{} x"))->where() == "line 1, column 4 of the JSON text that begins at byte 8");
  CHECK(header_code("{} \t\r\n  ") == "none");
  CHECK(header_code("{}" + std::string(200'000, ' ')) == "none");
}

TEST_CASE("Nesting is counted in ignored fields too", "[safetensors]") {
  const auto header = [](std::size_t depth) {
    return R"({"a":{"x":)" + std::string(depth, '[') + std::string(depth, ']') + ',' + nothing.substr(1) + '}';
  };
  CHECK(header_code(header(14)) == "none");
  CHECK(header_code(header(15)) == "bad_json");
  CHECK(header_code(header(15), 0, {.nesting = 17}) == "none");
}

TEST_CASE("A key that occurs twice is refused at every level", "[safetensors]") {
  const auto check = [](const std::string& header, const char* where, const char* found) {
    INFO(header);
    const auto problem = refusal(container(header, "1234"));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::duplicate_key);
    CHECK(problem->where() == where);
    CHECK(problem->found() == found);
  };
  check(R"({"a":)" + good + R"(,"a":)" + good + '}', "'a'", "the tensor twice");
  check(R"({"a":)" + good + R"(,"\u0061":)" + nothing + '}', "'a'", "the tensor twice");
  check(R"({"__metadata__":{},"a":)" + good + R"(,"__metadata__":{}})", "'__metadata__'", "the key twice");
  check(R"({"__metadata__":{"k":"1","l":"1","k":"1"},"a":)" + good + '}', "__metadata__", "'k' twice");
  check(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "'a'", "'dtype' twice");
  check(R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})", "'a'", "'shape' twice");
  check(R"({"a":{"x":1,"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":2}})", "'a'", "'x' twice");
  check(R"({"a":{"x":{"y":[{"z":1,"z":2}]},"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "'a'", "'z' twice");
}

TEST_CASE("Keys may repeat in different objects and unknown fields are ignored", "[safetensors]") {
  const std::string extra = R"("x":{"x":{"x":[{"x":1},{"x":-1.5e3}],"y":null}},"y":[[],{},"s",true,1e300],)";
  const std::string block = container(
      R"({"a":{)" + extra + good.substr(1) + R"(,"dtype":{)" + extra + entry("F16", "[2]", "[4,8]").substr(1) + '}',
      "12345678");
  const auto file = parse(block);
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.find("dtype")->type == ufb::dtype::f16);
  CHECK(file.find("x") == nullptr);
  CHECK(file.find("") == nullptr);
}

TEST_CASE("Metadata that is not string to string is bad_metadata", "[safetensors]") {
  for (const std::string value : {"1", "false", "\"x\"", "[]", "[\"x\"]", "{\"k\":1}", "{\"k\":null}", "{\"k\":true}",
                                  "{\"k\":1.5}", "{\"k\":[]}", "{\"k\":{}}", "{\"j\":\"\",\"k\":{\"l\":\"m\"}}"}) {
    INFO(value);
    const auto problem = refusal(container(R"({"__metadata__":)" + value + '}'));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::bad_metadata);
    CHECK_THAT(problem->where(), StartsWith("__metadata__"));
  }
  const auto problem = refusal(container(R"({"__metadata__":{"k":-1}})"));
  CHECK(problem->where() == "__metadata__.'k'");
  CHECK(problem->expected() == "a string");
  CHECK(problem->found() == "the number -1");
  CHECK(header_code(R"({"__metadata__":{}})") == "none");
  CHECK(refusal(container(R"({"__metadata__":1})"))->expected() == "an object of strings, or null");
}

TEST_CASE("Metadata that is null is none", "[safetensors]") {
  const std::string block = container(R"({"__metadata__":null,"a":)" + good + '}', "1234");
  const auto file = parse(block);
  CHECK(file.metadata().empty());
  CHECK(file.tensors().size() == 1);
  CHECK(header_code(R"({"a":)" + good + R"(,"__metadata__":null})", 4) == "none");
  CHECK(header_code(R"({"__metadata__":null,"__metadata__":{}})") == "duplicate_key");
  CHECK(header_code(R"({"__metadata__":null,"__metadata__":null})") == "duplicate_key");
  CHECK(header_code(R"({"a":null})") == "bad_entry");
  CHECK(header_code(R"({"__metadata__":{"k":"v"},"a":null})") == "bad_entry");
}

TEST_CASE("An entry of the wrong form is bad_entry and names the tensor", "[safetensors]") {
  for (const std::string value :
       {"null", "1", "\"x\"", "[]", "{}", R"({"dtype":"F32","shape":[1]})", R"({"dtype":"F32","data_offsets":[0,4]})",
        R"({"shape":[1],"data_offsets":[0,4]})", R"({"Dtype":"F32","shape":[1],"data_offsets":[0,4]})",
        R"({"dtype":32,"shape":[1],"data_offsets":[0,4]})", R"({"dtype":null,"shape":[1],"data_offsets":[0,4]})",
        R"({"dtype":["F32"],"shape":[1],"data_offsets":[0,4]})", R"({"dtype":{},"shape":[1],"data_offsets":[0,4]})"}) {
    INFO(value);
    const auto problem = refusal(container(R"({"t\u00e9":)" + value + '}', "1234"));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::bad_entry);
    CHECK(problem->where() == "'t\\xc3\\xa9'");
    CHECK_FALSE(problem->expected().empty());
    CHECK_FALSE(problem->found().empty());
  }
  for (const std::string shape :
       {"1", "null", "\"1\"", "{}", "{\"0\":1}", "[[1]]", "[\"1\"]", "[null]", "[true]", "[{}]"}) {
    INFO(shape);
    CHECK(tensor_code("F32", shape, "[0,4]", 4) == "bad_entry");
  }
  for (const std::string offsets : {"0", "null", "[]", "[0]", "[0,4,4]", "[0,4,8,8]", "[0,\"4\"]", "[[0,4]]", "{}"}) {
    INFO(offsets);
    CHECK(tensor_code("F32", "[1]", offsets, 4) == "bad_entry");
  }
}

TEST_CASE("Numbers that are no plain 63-bit integers are bad_integer", "[safetensors]") {
  const std::vector<std::string> numbers = {"-1",
                                            "-0",
                                            "-0.0",
                                            "1.0",
                                            "1.5",
                                            "1e0",
                                            "1E0",
                                            "0e0",
                                            "1e2",
                                            "9223372036854775808",
                                            "18446744073709551615",
                                            "18446744073709551616",
                                            "-9223372036854775808",
                                            "-9223372036854775809",
                                            "1e400",
                                            "-1e400",
                                            std::string(400, '9')};
  for (const auto& number : numbers) {
    INFO(number);
    CHECK(tensor_code("F32", '[' + number + ']', "[0,4]", 4) == "bad_integer");
    CHECK(tensor_code("F32", "[1," + number + ']', "[0,4]", 4) == "bad_integer");
    CHECK(tensor_code("F32", "[1]", '[' + number + ",4]", 4) == "bad_integer");
    CHECK(tensor_code("F32", "[1]", "[0," + number + ']', 4) == "bad_integer");
  }
  const auto problem = refusal(container(R"({"a":)" + entry("F32", "[-0]", "[0,4]") + '}', "1234"));
  CHECK(problem->where() == "'a'");
  CHECK(problem->expected() == "shape: an array of plain integers from 0 to 9223372036854775807");
  CHECK(problem->found() == "the number -0");
  // The largest integer itself is one: it fails for what it means.
  CHECK(tensor_code("U8", "[9223372036854775807]", "[0,9223372036854775807]") == "truncated");
  CHECK(tensor_code("U8", "[1]", "[9223372036854775807,9223372036854775807]") == "bad_offsets");
}

TEST_CASE("Unknown dtypes are refused and every known one is accepted", "[safetensors]") {
  for (const std::string name : {"", "F33", "f32", "F32 ", " F32", "FLOAT", "I4", "U128", "F8", "F32F32"}) {
    const auto problem = refusal(container(R"({"a":)" + entry(name, "[1]", "[0,4]") + '}', "1234"));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::unknown_dtype);
    CHECK(problem->where() == "'a'");
    CHECK(problem->found() == ufb::excerpt(name));
  }
  const std::vector<std::pair<std::string, std::size_t>> known = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  for (const auto& [name, bits] : known) {
    INFO(name);
    const std::string block =
        container(R"({"a":)" + entry(name, "[2,4]", "[0," + std::to_string(bits) + ']') + '}', std::string(bits, '\0'));
    const auto file = parse(block);
    CHECK(ufb::name(file.tensors()[0].type) == name);
    CHECK(ufb::bits(file.tensors()[0].type) == bits);
    CHECK(ufb::bytes(file.tensors()[0].type) == bits / 8);
  }
}

TEST_CASE("Packed types must fill whole bytes", "[safetensors]") {
  CHECK(tensor_code("F4", "[3]", "[0,1]", 1) == "bad_offsets");
  CHECK(tensor_code("F4", "[3]", "[0,2]", 2) == "bad_offsets");
  CHECK(tensor_code("F4", "[0]", "[0,0]") == "none");
  CHECK(tensor_code("F6_E2M3", "[4]", "[0,3]", 3) == "none");
  CHECK(tensor_code("F6_E2M3", "[2]", "[0,1]", 1) == "bad_offsets");
}

TEST_CASE("Products of sizes that do not fit are overflow, also beside a zero", "[safetensors]") {
  for (const std::string shape :
       {"[4294967296,4294967296]", "[4611686018427387904,4]", "[4611686018427387904,4611686018427387904,0]",
        "[0,4611686018427387904,4611686018427387904]", "[4611686018427387904,0,4]", "[9223372036854775807,3]",
        "[3,6148914691236517206]", "[2,2,2305843009213693952]", "[2147483648,2147483648,2147483648,2147483648]"}) {
    INFO(shape);
    const auto problem = refusal(container(R"({"a":)" + entry("U8", shape, "[0,0]") + '}'));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::overflow);
    CHECK(problem->where() == "'a'");
    CHECK_THAT(problem->found(), StartsWith("shape [") && EndsWith("of U8"));
  }
  CHECK(tensor_code("F64", "[2305843009213693952]", "[0,0]") == "overflow");     // 2^64 bytes
  CHECK(tensor_code("F32", "[4611686018427387905]", "[0,4]", 4) == "overflow");  // 2^64 + 4 bytes
  CHECK(tensor_code("F16", "[4611686018427387904]", "[0,0]") == "overflow");     // 2^63 bytes
  CHECK(tensor_code("F16", "[4611686018427387903]", "[0,0]") == "bad_offsets");
  CHECK(tensor_code("F32", "[4611686018427387904,0]", "[0,0]") == "overflow");
  CHECK(tensor_code("F32", "[1000000,1000000,0]", "[0,0]") == "none");
}

TEST_CASE("Offsets that do not tile the data are bad_offsets with the tensor's name", "[safetensors]") {
  const auto check = [](const std::string& a, const std::string& b, const char* where, const char* expected) {
    INFO(a << ' ' << b);
    const std::string header = R"({"a":)" + a + R"(,"b":)" + b + '}';
    const auto problem = refusal(container(header, std::string(12, '\0')));
    REQUIRE(problem);
    CHECK(problem->code() == ufb::error_code::bad_offsets);
    CHECK(problem->where() == where);
    CHECK(problem->expected() == expected);
    CHECK_THAT(problem->found(), StartsWith("data_offsets ["));
  };
  check(good, entry("F32", "[1]", "[8,12]"), "'b'", "a begin of 4, where 'a' ends");
  check(entry("F32", "[2]", "[0,8]"), entry("F32", "[2]", "[4,12]"), "'b'", "a begin of 8, where 'a' ends");
  check(entry("F32", "[3]", "[0,12]"), entry("F32", "[1]", "[4,8]"), "'b'", "a begin of 12, where 'a' ends");
  check(good, good, "'b'", "a begin of 4, where 'a' ends");
  check(entry("F32", "[1]", "[4,8]"), entry("F32", "[1]", "[8,12]"), "'a'",
        "a begin of 0, where the data section begins");
  check(good, entry("F32", "[1]", "[8,4]"), "'b'", "an end not before the begin");
  check(good, entry("F32", "[3]", "[4,12]"), "'b'", "12 bytes for shape [3] of F32");
  check(good, entry("F32", "[0]", "[4,12]"), "'b'", "0 bytes for shape [0] of F32");
  check(good, entry("F32", "[2]", "[4,4]"), "'b'", "8 bytes for shape [2] of F32");
  check(entry("F32", "[3]", "[0,12]"), entry("F32", "[0]", "[4,4]"), "'b'", "a begin of 12, where 'a' ends");
  check(entry("F32", "[3]", "[0,12]"), entry("F32", "[0]", "[16,16]"), "'b'", "a begin of 12, where 'a' ends");

  const std::string header = R"({"a":)" + good + R"(,"b":)" + entry("F32", "[1]", "[8,12]") + '}';
  CHECK(refusal(container(header, std::string(12, '\0')))->details().byte_offset == 8 + header.size() + 8);
}

TEST_CASE("Empty tensors may stand at every seam", "[safetensors]") {
  const std::string header = R"({"z":)" + entry("F32", "[0]", "[8,8]") + R"(,"b":)" + entry("F32", "[]", "[4,8]") +
                             R"(,"y":)" + entry("F32", "[5,0]", "[4,4]") + R"(,"a":)" + good + R"(,"x":)" + nothing +
                             '}';
  CHECK(header_code(header, 8) == "none");
}

TEST_CASE("Data that is longer or shorter than the last end is refused at its byte", "[safetensors]") {
  const std::string header = R"({"a":)" + good + '}';
  const auto longer = refusal(container(header, "12345"));
  REQUIRE(longer);
  CHECK(longer->code() == ufb::error_code::trailing_bytes);
  CHECK(longer->expected() == "4 bytes of tensor data");
  CHECK(longer->found() == "5");
  CHECK(longer->details().byte_offset == 8 + header.size() + 4);
  const auto shorter = refusal(container(header, "123"));
  REQUIRE(shorter);
  CHECK(shorter->code() == ufb::error_code::truncated);
  CHECK(shorter->where() == "'a'");
  CHECK(shorter->details().byte_offset == 8 + header.size() + 3);
  CHECK(refusal_code(container("{}", "1")) == "trailing_bytes");
}

TEST_CASE("Counts over their limits are limit_exceeded", "[safetensors]") {
  const auto many = [](std::size_t count) {
    std::string header = "{\"__metadata__\":{}";
    for (std::size_t i = 0; i < count; ++i) header += ",\"" + std::to_string(i) + "\":" + nothing;
    return header + '}';
  };
  CHECK(header_code(many(100'000)) == "none");
  CHECK(header_code(many(100'001)) == "limit_exceeded");
  CHECK(header_code(many(3), 0, {.tensors = 3}) == "none");
  CHECK(header_code(many(4), 0, {.tensors = 3}) == "limit_exceeded");

  const auto rank = [](std::size_t count) {
    std::string shape = "[1";
    for (std::size_t i = 1; i < count; ++i) shape += ",1";
    return shape + ']';
  };
  CHECK(tensor_code("U8", rank(32), "[0,1]", 1) == "none");
  CHECK(tensor_code("U8", rank(33), "[0,1]", 1) == "limit_exceeded");

  CHECK(header_code("{\"" + std::string(1024, 'n') + "\":" + nothing + '}') == "none");
  const auto problem = refusal(container("{\"" + std::string(1025, 'n') + "\":" + nothing + '}'));
  REQUIRE(problem);
  CHECK(problem->code() == ufb::error_code::limit_exceeded);
  CHECK(problem->where() == '\'' + std::string(80, 'n') + "...'");
  CHECK(problem->expected() == "at most 1024 bytes in a name");
}

TEST_CASE("Ignored fields, metadata and strings are bounded too", "[safetensors]") {
  const auto fields = [](std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += "\"k" + std::to_string(i) + "\":0,";
    return text;
  };
  CHECK(header_code("{\"a\":{" + fields(61) + nothing.substr(1) + '}') == "none");
  CHECK(header_code("{\"a\":{" + fields(62) + nothing.substr(1) + '}') == "limit_exceeded");
  CHECK(header_code("{\"a\":{\"x\":[{" + fields(63) + "\"x\":0}]," + nothing.substr(1) + '}') == "none");
  CHECK(header_code("{\"a\":{\"x\":[{" + fields(64) + "\"x\":0}]," + nothing.substr(1) + '}') == "limit_exceeded");
  const std::string long_key(1025, 'k');
  CHECK(header_code("{\"a\":{\"" + long_key.substr(1) + "\":0," + nothing.substr(1) + '}') == "none");
  CHECK(header_code("{\"a\":{\"" + long_key + "\":0," + nothing.substr(1) + '}') == "limit_exceeded");
  const std::string values = R"({"a":{"x":[0,[],{}],"y":0,)" + nothing.substr(1) + '}';
  CHECK(header_code(values, 0, {.ignored = 5}) == "none");
  CHECK(header_code(values, 0, {.ignored = 4}) == "limit_exceeded");
  const std::string metadata = R"({"__metadata__":{"a":"12345","b":"12345"}})";
  CHECK(header_code(metadata, 0, {.metadata = 2, .string_bytes = 12}) == "none");
  CHECK(header_code(metadata, 0, {.metadata = 1}) == "limit_exceeded");
  CHECK(header_code(metadata, 0, {.string_bytes = 11}) == "limit_exceeded");
  CHECK(header_code("{" + std::string(70'000, '\n') + "}") == "limit_exceeded");
}

TEST_CASE("A refused container leaves an open one as it was", "[safetensors]") {
  const std::string block = one_tensor<float>("a", "F32", {2.5F});
  auto file = parse(block);
  CHECK(code_of([&] { file = ufb::safetensors::from_memory(bytes_of(block).first(20), "cut"); }) == "truncated");
  float value = 0;
  file.read<float>(*file.find("a"), 0, std::span(&value, 1));
  CHECK(value == 2.5F);
}
