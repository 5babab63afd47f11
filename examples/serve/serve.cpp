// SPDX-License-Identifier: MIT
//
// Serves models over HTTP, with JSON in and out:
//   serve --model examples/models/tiny-mlm --port 8080
//   curl -s localhost:8080/fill_mask -d '{"input": "I would like a cup of <mask>, please."}'
// Each model answers at the endpoint of its task: /v1/embeddings as OpenAI's clients speak it, /rerank, /classify,
// /entities or /fill_mask; /tokenize, /routes, /v1/models, /health, /metrics and a page to try it at / are there for
// all. What comes in at the same time is computed together, which changes no result: a text's bits do not depend on
// its batch. SIGTERM and SIGINT end the server behind the answers to what it read.
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX has more in it than <csignal>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "../program.hpp"
#include "../storages.hpp"
#include "ports.hpp"
#include "services.hpp"
#include "web_server.hpp"

namespace {

namespace ufb = ultrafastbert;

struct options {
  std::vector<std::string> models{};
  std::vector<std::string> embedders{};
  std::vector<std::string> rerankers{};
  std::string host = "127.0.0.1";
  int port = 8080;
  std::size_t threads = 1;
  std::size_t queue = 1024;
  std::size_t batch = 64;
  bool truncate = false;
  std::size_t timeout = 30;
  std::size_t drain = 0;
  ufb::weight_storage projection = ufb::weight_storage::float32;
  serve::web_options web{};
};

/// Waits for SIGINT or SIGTERM. A handler, as threads that libraries started before may take a signal, too; it only
/// writes to a pipe.
class stop_signal {
 public:
  /// Throws: std::system_error.
  stop_signal() {
    if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    struct sigaction action {};
    action.sa_handler = [](int) {
      const int before = errno;
      static_cast<void>(::write(ends[1], "s", 1));
      errno = before;
    };
    for (const int signal : {SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
  }

  /// Whether a signal came, not `give_up`.
  [[nodiscard]] bool wait() const {
    char what = 0;
    while (::read(ends[0], &what, 1) < 0 && errno == EINTR) {
    }
    return what == 's';
  }
  void give_up() const { static_cast<void>(::write(ends[1], "g", 1)); }

 private:
  static inline int ends[2] = {-1, -1};
};

void run(options wanted) {
  const stop_signal ends;  // before anything that takes long
  serve::check_port(wanted.host, wanted.port);
  const ufb::load_options how{.projections = {.storage = wanted.projection}};
  const std::chrono::seconds patience(wanted.timeout);
  const serve::service_options each{
      .batches = {.waiting = wanted.queue, .together = wanted.batch, .patience = patience},
      .most_texts = wanted.web.max_texts,
      .most_pair_bytes = 4 * wanted.web.max_body,
      .truncate = wanted.truncate,
      .threads = wanted.threads};
  serve::services models;
  for (const std::string& folder : wanted.models) models.add(folder, serve::served_as::its_task, how, each);
  for (const std::string& folder : wanted.embedders) models.add(folder, serve::served_as::embedder, how, each);
  for (const std::string& folder : wanted.rerankers) models.add(folder, serve::served_as::reranker, how, each);
  for (const auto& model : models.all()) {
    std::cout << model->name() << " answers at " << model->endpoint() << ": " << model->describe() << '\n';
  }
  wanted.web.patience = patience;
  wanted.web.drain = std::chrono::seconds(wanted.drain);
  serve::web_server server(models, wanted.web);
  const int port = server.bind(wanted.host, wanted.port);
  std::cout << "listening on http://" << serve::address(wanted.host, port) << std::endl;
  std::thread waiter([&] {
    if (ends.wait()) server.stop();
  });
  try {
    server.run();
  } catch (...) {
    ends.give_up();
    waiter.join();
    throw;
  }
  waiter.join();
  std::cout.exceptions(std::ios::goodbit);  // it ended in order, whether or not somebody still reads that
  std::cout << "answered " << server.answered() << " requests\nstopped" << std::endl;
  std::cout.clear();
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Serves models over HTTP", "serve"};
  app.add_option("--model", wanted.models,
                 "folder of a model, or NAME=FOLDER, once or several times; its task decides its endpoint");
  app.add_option("--embedder", wanted.embedders, "the same for embeddings: any model of texts but a classifier");
  app.add_option("--reranker", wanted.rerankers, "the same for ranking documents: a classifier of sequences");
  app.add_option("--host", wanted.host, "address to listen at")->capture_default_str();
  app.add_option("--port", wanted.port, "port; 0 for any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  examples::add_threads(app, wanted.threads);
  const auto number = [&](const char* name, std::size_t& to, const char* text) {
    return app.add_option(name, to, text)->check(examples::positive)->capture_default_str();
  };
  app.add_option("--connections", wanted.web.connections, "connections that are served at a time, up to 1000")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  number("--max-body", wanted.web.max_body, "bytes of a request, beyond which it gets 413");
  number("--max-texts", wanted.web.max_texts, "texts of a request, beyond which it gets 422");
  number("--max-tokens", wanted.web.max_tokens, "tokens of an answer of /tokenize, beyond which there is 422");
  app.add_flag("--truncate", wanted.truncate, "cut texts with too many tokens where a request does not say; else 422");
  number("--queue", wanted.queue, "texts that may wait, beyond which requests get 503");
  number("--batch", wanted.batch, "texts that are computed together");
  app.add_option("--timeout", wanted.timeout, "seconds that a client or a request may wait")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app.add_option("--drain", wanted.drain, "seconds between a signal to end and the end, while /health says 503")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  examples::add_storage(app, "--projection", wanted.projection, examples::projection_storages,
                        "weights of attention and dense layers: f32, bf16 or int8");
  app.final_callback([&] {
    if (wanted.models.empty() && wanted.embedders.empty() && wanted.rerankers.empty())
      throw CLI::RequiredError("--model, --embedder or --reranker");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm --port 8080",
                                "@ --model examples/models/tiny-mlm --embedder FOLDER --queue 256"},
                               [&] { run(wanted); });
}
