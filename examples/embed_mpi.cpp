// SPDX-License-Identifier: MIT
//
// Embeds the lines of a large file on many processors of one machine or many:
//   mpirun -np 4 embed_mpi --model DIR --in corpus.txt --out vectors.npy
// Every rank loads the model, takes the next lines that nobody has taken, and writes their vectors to their place in
// the one file that all of them share. A vector does not depend on the other lines, so the file has the same bytes
// whatever the number of ranks. Beside it lies vectors.npy.progress until all is done: a run that was killed goes on
// behind the lines that it finished. Where there are several ranks, the first one says every now and then how far all
// of them are. Without --in and --out it is a filter, one line of numbers for each line of text, for schedulers that
// split the input themselves.
#include <fcntl.h>
#include <mpi.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iomanip>
#include <iostream>
#include <limits>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "line_file.hpp"
#include "loading.hpp"
#include "npy.hpp"
#include "program.hpp"
#include "storages.hpp"
#include "streaming.hpp"
#include "ultrafastbert/kernels/isa.hpp"
#include "ultrafastbert/ultrafastbert.hpp"

namespace {

namespace ufb = ultrafastbert;

struct options {
  std::string model{};
  std::string in{};
  std::string out{};
  ufb::isa_level isa = ufb::isa_level::automatic;
  ufb::weight_storage projection = ufb::weight_storage::float32;
  std::string prompt_name{};
  std::size_t chunk = 256;
  std::optional<std::size_t> progress{};
  bool skip_bad = false;
};

std::string_view bytes_of(std::span<const float> numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()};
}

/// Which lines are done, in a file beside the output: a line of text that says what for, then a byte for each chunk.
class progress_file {
 public:
  static constexpr std::size_t head_bytes = 256;

  /// What the work depends on: the input, the parts, the model's files, and its options by what it makes of a text. A
  /// progress of other work is not gone on with.
  static std::string head(const examples::line_file& in, std::size_t chunk, std::uint64_t files,
                          const ufb::matrix<float>& fixed_vectors) {
    std::uint64_t hash = 0xCBF29CE484222325U ^ files;  // FNV-1a
    for (std::size_t r = 0; r < fixed_vectors.rows(); ++r) {
      for (const char byte : bytes_of(fixed_vectors.view().row_span(r))) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
      }
    }
    std::ostringstream text;
    text << "embed_mpi 3: " << in.size() << " lines of " << in.bytes() << " bytes from " << in.changed_at()
         << ", chunks of " << chunk << ", " << fixed_vectors.cols() << " columns, model " << std::hex << hash;
    std::string out = text.str();
    out.resize(head_bytes - 1, ' ');
    return out + '\n';
  }

  explicit progress_file(const std::string& name, int flags) : file_(name, flags) {}

  /// The chunks that are done; none if the file is of other work or there is no output of it, which is begun anew then.
  /// Only one rank may call it.
  [[nodiscard]] std::string open(const std::string& head, std::size_t chunks, bool has_output) const {
    std::string done = file_.read(head_bytes, chunks);
    if (has_output && file_.read(0, head_bytes) == head && done.size() == chunks) return done;
    file_.resize(0);
    file_.write(0, head);
    file_.write(head_bytes, std::string(chunks, '.'));
    return std::string(chunks, '.');
  }
  [[nodiscard]] std::string read(std::size_t chunks) const { return file_.read(head_bytes, chunks); }
  void note(std::size_t chunk) const { file_.write(head_bytes + chunk, "x"); }
  [[nodiscard]] const examples::file& on_disk() const noexcept { return file_; }

 private:
  examples::file file_;
};

/// A number that ranks take turns to count up, without one of them having to wait for requests.
class shared_counter {
 public:
  shared_counter() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    const MPI_Aint bytes = rank == 0 ? static_cast<MPI_Aint>(sizeof(std::uint64_t)) : 0;
    MPI_Win_allocate(bytes, sizeof(std::uint64_t), MPI_INFO_NULL, MPI_COMM_WORLD, &memory_, &window_);
    if (rank == 0) *memory_ = 0;
    MPI_Barrier(MPI_COMM_WORLD);
  }
  shared_counter(const shared_counter&) = delete;
  shared_counter& operator=(const shared_counter&) = delete;
  ~shared_counter() { MPI_Win_free(&window_); }

  [[nodiscard]] std::size_t next() {
    const std::uint64_t one = 1;
    std::uint64_t before = 0;
    MPI_Win_lock(MPI_LOCK_SHARED, 0, 0, window_);
    MPI_Fetch_and_op(&one, &before, MPI_UINT64_T, 0, 0, MPI_SUM, window_);
    MPI_Win_unlock(0, window_);
    return before;
  }

 private:
  std::uint64_t* memory_ = nullptr;
  MPI_Win window_ = MPI_WIN_NULL;
};

ufb::isa_level find_isa(const std::string& wanted) {
  using enum ufb::isa_level;
  std::string names;
  for (const auto level : {automatic, portable, neon, avx2, avx512}) {
    if (wanted == ufb::name(level)) return level;
    names.append(names.empty() ? "" : ", ").append(ufb::name(level));
  }
  throw std::runtime_error("takes one of " + names);
}

ufb::embedder<float> load(const options& wanted) {
  return ufb::embedder<float>::load(
      wanted.model, examples::with_loading_line({.projections = {.storage = wanted.projection}, .isa = wanted.isa}));
}

/// One line of numbers for each line of text, as they come.
void run_filter(const options& wanted) {
  const auto model = load(wanted);
  auto workspace = model.make_workspace();
  examples::text_reader reader({});
  examples::bad_texts bad(wanted.skip_bad);
  std::size_t texts = 0;
  for (examples::text_group group; reader.next(group);) {
    const std::vector<std::string_view> views(group.texts.begin(), group.texts.end());
    for (auto& each : model.try_embed(views, workspace, {.prompt_name = wanted.prompt_name})) {
      const std::size_t number = texts++;
      std::vector<float> row(model.dimensions(), std::numeric_limits<float>::quiet_NaN());
      if (each.problem) {
        bad.add(*each.problem, reader.name(number));
      } else {
        row = std::move(*each.result);
      }
      // Nine digits give every float32 back.
      std::ostringstream line;
      line << std::setprecision(9);
      for (std::size_t k = 0; k < row.size(); ++k) line << (k == 0 ? "" : " ") << row[k];
      std::cout << line.str() << '\n';
    }
    std::cout.flush();
  }
  bad.print(texts);
}

/// How long rank 0 waits between two lines that say how far the run is. What starts several ranks reads their standard
/// error from pipes, so that whoever waits at a terminal sees such lines or nothing.
std::chrono::seconds pause_of(const options& wanted, int ranks) {
  return std::chrono::seconds(wanted.progress.value_or(ranks > 1 ? 10 : 0));
}

void run_file(const options& wanted, int rank, int ranks) {
  const auto start = std::chrono::steady_clock::now();
  const examples::line_file in(wanted.in);
  const std::size_t rows = in.size();
  const std::size_t per_chunk = std::min(wanted.chunk, std::max(rows, std::size_t{1}));
  const std::size_t chunks = (rows + per_chunk - 1) / per_chunk;
  const auto model = load(wanted);
  const std::size_t columns = model.dimensions();
  // Processors of different kinds would give different bits.
  const int level = static_cast<int>(ufb::resolve(wanted.isa));
  int lowest = level;
  int highest = level;
  MPI_Allreduce(&level, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  MPI_Allreduce(&level, &highest, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (lowest != highest) {
    throw std::runtime_error("the ranks' processors differ, and so would the bits of their vectors; ask for " +
                             ("--isa " + std::string(ufb::name(static_cast<ufb::isa_level>(lowest)))));
  }

  // Every rank has counted the lines for itself.
  const std::array<std::uint64_t, 2> own{rows, in.bytes()};
  std::array<std::uint64_t, 2> of_first_rank = own;
  MPI_Bcast(of_first_rank.data(), static_cast<int>(of_first_rank.size()), MPI_UINT64_T, 0, MPI_COMM_WORLD);
  if (of_first_rank != own) {
    throw std::runtime_error(wanted.in + " is not the same file for all ranks, or it is changing");
  }

  auto workspace = model.make_workspace();
  const std::string progress_name = wanted.out + ".progress";
  const std::string header = examples::npy_header(rows, columns);
  const std::size_t out_bytes = examples::npy_header_bytes + rows * columns * sizeof(float);
  std::optional<progress_file> begun;  // the first rank keeps it, and its lock, until all have theirs
  if (rank == 0) {
    const examples::file out(wanted.out, O_RDWR | O_CREAT | O_CLOEXEC);
    if (!out.is_regular()) throw std::runtime_error(wanted.out + " is no file that vectors can be put into");
    const auto keep_input = [&](const examples::file& written) {
      if (!in.on_disk().is_same_as(written)) return;
      throw std::runtime_error(wanted.in + " would be overwritten; --out has to be another file");
    };
    keep_input(out);
    begun.emplace(progress_name, O_RDWR | O_CREAT | O_CLOEXEC);
    keep_input(begun->on_disk());
    if (!begun->on_disk().lock(true)) throw std::runtime_error("another run writes " + wanted.out);
    // The second text is longer than the model takes, and shows where it cuts.
    std::string endless;
    for (int i = 0; i < 10'000; ++i) endless += "embed ";
    const ufb::matrix<float> fixed =
        model.embed({"embed_mpi", endless}, workspace, {.prompt_name = wanted.prompt_name});
    const std::string head = progress_file::head(in, wanted.chunk, examples::digest_of(wanted.model), fixed);
    const bool has_output = out.size() == out_bytes && out.read(0, header.size()) == header;
    const std::string done = begun->open(head, chunks, has_output);
    const auto finished = static_cast<std::size_t>(std::count(done.begin(), done.end(), 'x'));
    if (finished != 0) std::cerr << "going on behind " << finished << " of " << chunks << " parts\n";
    if (finished == 0) out.resize(0);
    out.write(0, header);
    out.resize(out_bytes);
    if (!begun->on_disk().lock(false)) throw std::runtime_error("another run writes " + wanted.out);
  }
  MPI_Barrier(MPI_COMM_WORLD);
  const examples::file out(wanted.out, O_RDWR | O_CLOEXEC);
  const progress_file progress(progress_name, O_RDWR | O_CLOEXEC);
  if (!progress.on_disk().lock(false)) throw std::runtime_error("another run writes " + wanted.out);
  MPI_Barrier(MPI_COMM_WORLD);
  const std::string done = progress.read(chunks);

  shared_counter counter;
  std::uint64_t skipped = 0;
  std::size_t counted = 0;  // chunks that stand in what is shown
  const bool on_terminal = wanted.progress.value_or(1) != 0 && examples::has_terminal(false, false);
  examples::progress shown(in.bytes(), on_terminal, pause_of(wanted, ranks));
  for (std::size_t chunk = counter.next(); chunk < chunks; chunk = counter.next()) {
    if (done[chunk] == 'x') continue;
    const std::size_t first = chunk * per_chunk;
    const std::size_t end = std::min(first + per_chunk, rows);
    const auto lines = in.read(first, end);
    const std::vector<std::string_view> views(lines.begin(), lines.end());
    const auto outcomes = model.try_embed(views, workspace, {.prompt_name = wanted.prompt_name});
    std::vector<float> numbers((end - first) * columns, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].problem) {
        const std::string message =
            wanted.in + ", line " + std::to_string(first + i + 1) + ": " + outcomes[i].problem->what();
        if (!wanted.skip_bad) throw std::runtime_error(message);
        shown.clear();
        std::cerr << "skipped " + message + '\n';
        ++skipped;
        continue;
      }
      std::copy(outcomes[i].result->begin(), outcomes[i].result->end(),
                numbers.begin() + static_cast<std::ptrdiff_t>(i * columns));
    }
    out.write(examples::npy_header_bytes + first * columns * sizeof(float), bytes_of(numbers));
    progress.note(chunk);
    if (rank != 0) continue;
    // Chunks are taken in their order: those before this one are done, too, or nearly so.
    std::size_t texts = 0;
    for (; counted <= chunk; ++counted) {
      if (done[counted] != 'x') texts += std::min(per_chunk, rows - counted * per_chunk);
    }
    shown.add(texts, in.start(end));
  }
  std::uint64_t skipped_by_all = 0;
  MPI_Reduce(&skipped, &skipped_by_all, 1, MPI_UINT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank != 0) return;
  shown.end();
  in.check_unchanged();
  ::unlink(progress_name.c_str());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::cerr << rows << (rows == 1 ? " line" : " lines") << ", " << columns << " columns, " << ranks
            << (ranks == 1 ? " rank, " : " ranks, ") << std::fixed << std::setprecision(1) << seconds << " s";
  if (wanted.skip_bad) std::cerr << "; skipped: " << skipped_by_all;
  std::cerr << '\n';
}

void run(const options& wanted, int rank, int ranks) {
  if (!wanted.in.empty()) return run_file(wanted, rank, ranks);
  if (ranks != 1)
    throw std::runtime_error("a filter is one rank; --in and --out share the lines of a file among several");
  run_filter(wanted);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Embeds the lines of a file on many processors, or as a filter", "embed_mpi"};
  app.add_option("--model", wanted.model, "folder of an embedding model, or of any encoder or language model")
      ->required();
  auto* in = app.add_option("--in", wanted.in, "file of texts, one a line");
  auto* out = app.add_option("--out", wanted.out, "file for the vectors, in NumPy's format");
  in->needs(out);
  out->needs(in);
  auto* chunk = app.add_option("--chunk", wanted.chunk, "lines that a rank takes at a time")
                    ->check(examples::positive)
                    ->capture_default_str();
  chunk->needs(in);
  app.add_option(
         "--progress", wanted.progress,
         "seconds between lines on standard error that say how far all ranks are, one for each percent at most; "
         "0: none (10, but 0 for one rank). Where that is a terminal, which it is not under mpirun, one line is "
         "written over instead")
      ->check(CLI::Range(0, 86'400))
      ->needs(in);
  examples::add_word(app, "--isa", wanted.isa, std::string(ufb::name(wanted.isa)),
                     "level of the kernels, for machines that differ: portable, neon, avx2 or avx512", find_isa);
  examples::add_storage(app, "--projection", wanted.projection, examples::projection_storages,
                        "weights of attention and dense layers: f32, bf16 or int8");
  app.add_option("--prompt-name", wanted.prompt_name, "the folder's prompt to put before every text");
  app.add_flag("--skip-bad", wanted.skip_bad, "NaN for texts that cannot be computed, which are named and counted");
  // Before MPI, so that --help needs none of it.
  const auto end = examples::parse(
      app, argc, argv, {"mpirun -np 4 @ --model FOLDER --in FILE --out vectors.npy", "@ --model FOLDER < FILE"});
  if (end) return *end;

  MPI_Init(&argc, &argv);
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const std::string message = examples::message_of([&] { run(wanted, rank, ranks); });
  const int status = message.empty() ? examples::exit_status::done : examples::exit_status::failed;
  if (!message.empty()) {
    std::cerr << "embed_mpi: rank " + std::to_string(rank) + ": " + message + '\n';
    if (ranks > 1) MPI_Abort(MPI_COMM_WORLD, status);  // the others would wait for this one
  }
  MPI_Finalize();
  return status;
}
