// SPDX-License-Identifier: MIT
//
// Serves models over HTTP, with JSON in and out:
//   serve --model examples/models/tiny-mlm --port 8080
//   curl -s localhost:8080/fill_mask -d '{"input": "I would like a cup of <mask>, please."}'
// Each model answers at the endpoint of its task: /v1/embeddings as OpenAI's clients speak it, /rerank, /classify,
// /entities or /fill_mask; /tokenize, /routes, /v1/models, /health, /metrics and a page to try it at / are there for
// all. What comes in at the same time is computed together, which changes no result: a text's bits do not depend on
// its batch. SIGTERM and SIGINT end the server behind the answers to what it read.
#include <httplib.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX has more in it than <csignal>
#include <sys/socket.h>
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../loading.hpp"
#include "../program.hpp"
#include "../storages.hpp"
#include "connection_threads.hpp"
#include "framing.hpp"
#include "messages.hpp"
#include "metrics.hpp"
#include "page.hpp"
#include "service.hpp"
#include "ultrafastbert/model/auto_model.hpp"

namespace {

namespace ufb = ultrafastbert;
using nlohmann::ordered_json;
using clock_type = std::chrono::steady_clock;

struct options {
  std::vector<std::string> models{};
  std::vector<std::string> embedders{};
  std::string host = "127.0.0.1";
  int port = 8080;
  std::size_t threads = 1;
  std::size_t connections = 64;
  std::size_t max_body = std::size_t{4} << 20U;
  std::size_t max_texts = 256;
  std::size_t queue = 1024;
  std::size_t batch = 64;
  std::size_t timeout = 30;
  std::size_t drain = 0;
  ufb::weight_storage projection = ufb::weight_storage::float32;
};

/// Name and model of every folder; a name is the folder's.
class services {
 public:
  void add(const std::string& folder, bool as_embedder, const ufb::load_options& how,
           const serve::service_options& options) {
    const std::string name = std::filesystem::weakly_canonical(folder).filename().string();
    if (as_embedder) return add_embedder(name, folder, how, options);
    auto any = ufb::auto_model<float>::load(folder, examples::with_loading_line(how));
    if (any.task() == "encoder_model") return add_embedder(name, folder, how, options);
    const std::string description = any.describe();
    auto model_of_its_class = std::move(any).take();
    std::visit(
        [&]<class Model>(Model& model) {
          if constexpr (!std::is_same_v<Model, ufb::encoder_model<float>>) {
            take(std::make_unique<serve::model_service<Model>>(name, std::move(model), description, options));
          }
        },
        model_of_its_class);
  }

  [[nodiscard]] const std::vector<std::unique_ptr<serve::service>>& all() const noexcept { return services_; }

  /// The model of a request: the one it names, or the first one with that endpoint, or any for an empty endpoint.
  /// Throws: bad_request.
  [[nodiscard]] serve::service& find(std::string_view endpoint, const std::string& name) const {
    std::string names;
    for (const auto& each : services_) {
      if (!endpoint.empty() && each->endpoint() != endpoint) continue;
      if (name.empty() || each->name() == name) return *each;
      names.append(names.empty() ? "" : ", ").append(each->name());
    }
    if (names.empty()) {
      throw serve::bad_request(404, "no_model", "no model here answers at " + std::string(endpoint));
    }
    throw serve::bad_request(404, "no_model", "expected one of " + names, "model");
  }

 private:
  void add_embedder(const std::string& name, const std::string& folder, const ufb::load_options& how,
                    const serve::service_options& options) {
    auto model = ufb::embedder<float>::load(folder, examples::with_loading_line(how));
    std::string description = "embedder; " + model.describe();
    take(std::make_unique<serve::model_service<ufb::embedder<float>>>(name, std::move(model), std::move(description),
                                                                      options));
  }

  void take(std::unique_ptr<serve::service> next) {
    static_cast<void>(next->reader());  // a folder without a tokenizer is refused at once
    for (const auto& each : services_) {
      if (each->name() == next->name() && each->endpoint() == next->endpoint()) {
        throw std::runtime_error("two models are called " + next->name() + " and answer at " +
                                 std::string(next->endpoint()));
      }
    }
    services_.push_back(std::move(next));
  }

  std::vector<std::unique_ptr<serve::service>> services_{};
};

void reply(httplib::Response& response, int status, const ordered_json& body) {
  response.status = status;
  response.set_content(serve::to_text(body), "application/json");
}

void reply_error(httplib::Response& response, int status, std::string_view code, std::string_view message,
                 std::string_view where = {}) {
  reply(response, status, serve::error_body(status, code, message, where));
  if (status == 503) response.set_header("Retry-After", "1");
}

// What went wrong while a request was answered.
void reply_problem(httplib::Response& response, const std::exception_ptr& what) {
  try {
    std::rethrow_exception(what);
  } catch (const serve::bad_request& problem) {
    reply_error(response, problem.status, problem.code, problem.what(), problem.where);
  } catch (const serve::queue_full& problem) {
    reply_error(response, 503, "busy", problem.what());
  } catch (const serve::waited_too_long& problem) {
    reply_error(response, 503, "waited_too_long", problem.what());
  } catch (const ufb::error& problem) {
    const bool asked_wrongly = problem.code() == ufb::error_code::invalid_input;
    reply_error(response, asked_wrongly ? 422 : 500, ufb::name(problem.code()), problem.what());
  } catch (const std::bad_alloc&) {
    reply_error(response, 503, "out_of_memory", "there is no memory for this request now");
  } catch (const std::exception& problem) {
    reply_error(response, 500, "internal", problem.what());
  }
}

class web_server {
 public:
  web_server(const services& models, const options& wanted)
      : models_(models), drain_(wanted.drain), max_body_(wanted.max_body), patience_(wanted.timeout) {
    const std::size_t connections = wanted.connections;
    server_.new_task_queue = [connections] { return new serve::connection_threads(connections); };
    server_.set_payload_max_length(wanted.max_body);
    server_.set_read_timeout(std::chrono::seconds(wanted.timeout));
    server_.set_write_timeout(std::chrono::seconds(wanted.timeout));
    server_.set_keep_alive_timeout(std::min<std::time_t>(5, static_cast<std::time_t>(wanted.timeout)));
    server_.set_keep_alive_max_count(10'000);
    server_.set_tcp_nodelay(true);
    server_.set_socket_options([this](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      socket_ = socket;
    });
    server_.set_error_handler(httplib::Server::Handler([this](const httplib::Request& request,
                                                              httplib::Response& response) {
      if (!response.body.empty() || response.has_header("Connection")) return;
      const int status = response.status;
      if (status == 413) {
        refuse(request, response, status, "too_large", "the body is larger than this server takes");
      } else if (status == 408) {
        refuse(request, response, status, "too_slow", "the body took too long");
      } else if (status == 404) {
        refuse(request, response, status, "no_such_endpoint", request.method + ' ' + request.path + " does not exist");
      } else {
        refuse(request, response, status, "bad_http", "this is no request that the server understands");
      }
    }));
    server_.set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (const auto wrong = serve::check_frame(request)) {
        refuse(request, response, wrong->status, wrong->code, wrong->message);
      } else if (request.method != "GET" && request.method != "HEAD" && !is_post_path(request)) {
        refuse(request, response, 404, "no_such_endpoint", request.method + ' ' + request.path + " does not exist");
      } else {
        return httplib::Server::HandlerResponse::Unhandled;
      }
      return httplib::Server::HandlerResponse::Handled;
    });
    server_.set_exception_handler(
        [this](const httplib::Request& request, httplib::Response& response, const std::exception_ptr&) {
          refuse(request, response, 500, "internal", "this request could not be answered");
        });

    server_.Get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(std::string(serve::page), "text/html; charset=utf-8");
    });
    on_get("/health", [this](const httplib::Request&, httplib::Response& response) {
      reply(response, draining_ ? 503 : 200, {{"status", draining_ ? "stopping" : "ok"}});
    });
    on_get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics_text(), "text/plain; version=0.0.4");
    });
    on_get("/v1/models", [this](const httplib::Request&, httplib::Response& response) {
      ordered_json data = ordered_json::array();
      for (const auto& each : models_.all()) {
        const auto mask = each->reader().special_token(ufb::special_role::mask);
        data.push_back({{"id", each->name()},
                        {"object", "model"},
                        {"endpoint", each->endpoint()},
                        {"routes", each->has_routes()},
                        {"mask_token", mask ? ordered_json(*mask) : ordered_json()},
                        {"description", each->describe()}});
      }
      reply(response, 200, {{"object", "list"}, {"data", std::move(data)}});
    });
    for (const char* endpoint : {"/v1/embeddings", "/rerank", "/classify", "/entities", "/fill_mask"}) {
      on_post(endpoint, [this, endpoint](const serve::fields& request, httplib::Response& response) {
        reply(response, 200, models_.find(endpoint, request.text("model", {})).answer(request));
      });
    }
    const std::size_t most_texts = wanted.max_texts;
    on_post("/tokenize", [this, most_texts](const serve::fields& request, httplib::Response& response) {
      request.allow({"model", "input"});
      const serve::service& model = models_.find({}, request.text("model", {}));
      const auto texts = request.texts("input", most_texts, true);
      reply(response, 200, tokenize(model, texts, request.all_pairs("input")));
    });
    on_post("/routes", [this](const serve::fields& request, httplib::Response& response) {
      request.allow({"model", "input", "layer"});
      serve::service& model = models_.find({}, request.text("model", {}));
      const auto texts = request.texts("input", 1);
      response.set_content(model.draw_routes(texts.front().first, request.number("layer", 0, 100'000)),
                           "image/svg+xml");
    });
  }

  /// Takes a port, any one for 0. Returns it. Throws: std::runtime_error.
  int bind(const std::string& host, int port) {
    const int found = port == 0 ? server_.bind_to_any_port(host) : server_.bind_to_port(host, port) ? port : -1;
    if (found < 0) throw std::runtime_error("cannot listen at " + host + ':' + std::to_string(port));
    ::listen(socket_, SOMAXCONN);  // the library lets five connections wait to be accepted
    return found;
  }

  /// Answers until `stop` is called; what was read by then is answered. Throws: std::runtime_error.
  void run() {
    struct ending {
      std::atomic<bool>& ended;
      ~ending() { ended = true; }
    };
    const ending at_the_end{ended_};
    if (!server_.listen_after_bind()) throw std::runtime_error("the server ended by itself");
  }

  [[nodiscard]] std::uint64_t answered() const { return metrics_.answered(); }

  /// Says that it is stopping for some seconds, then takes no more: a connection whose request was not read by then is
  /// closed without an answer.
  void stop() {
    draining_ = true;
    std::this_thread::sleep_for(std::chrono::seconds(drain_));
    // It cannot be stopped before it runs.
    while (!server_.is_running() && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    server_.stop();
  }

 private:
  template <class Answer>
  void on_get(const std::string& path, Answer answer) {
    server_.Get(path, [this, path, answer](const httplib::Request& request, httplib::Response& response) {
      timed(path, response, [&] { answer(request, response); });
    });
  }

  template <class Answer>
  void on_post(const std::string& path, Answer answer) {
    // The body as it comes: clients that call their JSON a form would meet the small limit of forms.
    server_.Post(path, [this, path, answer](const httplib::Request&, httplib::Response& response,
                                            const httplib::ContentReader& read) {
      std::string body;
      const auto until = clock_type::now() + std::chrono::seconds(patience_);
      int status = 400;
      const bool whole = read([&](const char* data, std::size_t length) {
        if (length > max_body_ - body.size()) status = 413;
        if (clock_type::now() > until) status = 408;
        if (status != 400) return false;
        body.append(data, length);
        return true;
      });
      if (!whole) {  // the client may be gone; otherwise the error handler answers
        if (response.status != 413) response.status = status;
        return;
      }
      timed(path, response, [&] { answer(serve::fields(body), response); });
    });
    post_paths_.push_back(path);
  }

  [[nodiscard]] bool is_post_path(const httplib::Request& request) const {
    return request.method == "POST" &&
           std::find(post_paths_.begin(), post_paths_.end(), request.path) != post_paths_.end();
  }

  // An error behind which the connection is closed, as its client and the server may not agree where a request ends.
  void refuse(const httplib::Request& request, httplib::Response& response, int status, std::string_view code,
              std::string_view message) {
    metrics_.add_refused(status);
    response.status = status;
    serve::send_and_close(request, response, serve::to_text(serve::error_body(status, code, message, {})),
                          "application/json");
  }

  template <class Answer>
  void timed(const std::string& path, httplib::Response& response, const Answer& answer) {
    const auto start = clock_type::now();
    response.status = 200;
    try {
      answer();
    } catch (...) {
      reply_problem(response, std::current_exception());
    }
    metrics_.add(path, response.status, std::chrono::duration<double>(clock_type::now() - start).count());
  }

  static ordered_json tokenize(const serve::service& model, const std::vector<ufb::text_pair>& texts,
                               std::optional<bool> pairs) {
    if (!pairs)
      throw serve::bad_request(422, "bad_value", "expected either texts or pairs of texts, not both", "input");
    ordered_json results = ordered_json::array();
    for (const ufb::text_pair& text : texts) {
      const ufb::encoding one =
          *pairs ? model.reader().encode(text.first, text.second) : model.reader().encode(text.first);
      ordered_json offsets = ordered_json::array();
      for (const ufb::text_span& span : one.offsets) offsets.push_back({span.begin, span.end});
      results.push_back({{"ids", one.ids}, {"tokens", one.tokens}, {"offsets", std::move(offsets)}});
    }
    return {{"model", model.name()}, {"results", std::move(results)}};
  }

  [[nodiscard]] std::string metrics_text() const {
    std::ostringstream out;
    metrics_.write(out);
    const auto write = [&](const char* name, const char* type, const char* help, auto of) {
      out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
      for (const auto& each : models_.all()) {
        out << name << "{endpoint=\"" << each->endpoint() << "\",model=" << serve::quoted(each->name()) << "} "
            << of(each->counts()) << '\n';
      }
    };
    write("ufb_batches_total", "counter", "Calls of the model.", [](const auto& c) { return c.batches; });
    write("ufb_texts_total", "counter", "Texts in them.", [](const auto& c) { return c.items; });
    write("ufb_texts_waiting", "gauge", "Texts that wait for their turn.", [](const auto& c) { return c.waiting; });
    return out.str();
  }

  const services& models_;
  std::size_t drain_;
  std::size_t max_body_;
  std::size_t patience_;  // with a body, in seconds
  std::vector<std::string> post_paths_{};
  std::atomic<bool> draining_ = false;
  std::atomic<bool> ended_ = false;
  serve::metrics metrics_{};
  socket_t socket_ = INVALID_SOCKET;  // that listens
  httplib::Server server_{};
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

void run(const options& wanted) {
  const stop_signal ends;  // before anything that takes long
  const ufb::load_options how{.projections = {.storage = wanted.projection}};
  const serve::service_options each{
      .batches = {.waiting = wanted.queue, .together = wanted.batch, .patience = std::chrono::seconds(wanted.timeout)},
      .most_texts = wanted.max_texts,
      .threads = wanted.threads};
  services models;
  for (const std::string& folder : wanted.models) models.add(folder, false, how, each);
  for (const std::string& folder : wanted.embedders) models.add(folder, true, how, each);
  for (const auto& model : models.all()) {
    std::cout << model->name() << " answers at " << model->endpoint() << ": " << model->describe() << '\n';
  }
  web_server server(models, wanted);
  const int port = server.bind(wanted.host, wanted.port);
  std::cout << "listening on http://" << wanted.host << ':' << port << std::endl;
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
  std::cout << "answered " << server.answered() << " requests\nstopped" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Serves models over HTTP", "serve"};
  app.add_option("--model", wanted.models, "folder of a model, once or several times; its task decides its endpoint");
  app.add_option("--embedder", wanted.embedders, "folder that is served for embeddings, whatever its task");
  app.add_option("--host", wanted.host, "address to listen at")->capture_default_str();
  app.add_option("--port", wanted.port, "port; 0 for any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  examples::add_threads(app, wanted.threads);
  const auto number = [&](const char* name, std::size_t& to, const char* text) {
    return app.add_option(name, to, text)->check(examples::positive)->capture_default_str();
  };
  app.add_option("--connections", wanted.connections, "connections that are served at a time, up to 4096")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  number("--max-body", wanted.max_body, "bytes of a request, beyond which it gets 413");
  number("--max-texts", wanted.max_texts, "texts of a request, beyond which it gets 422");
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
    if (wanted.models.empty() && wanted.embedders.empty()) throw CLI::RequiredError("--model or --embedder");
  });
  return examples::run_program(app, argc, argv,
                               {"@ --model examples/models/tiny-mlm --port 8080",
                                "@ --model examples/models/tiny-mlm --embedder FOLDER --queue 256"},
                               [&] { run(wanted); });
}
