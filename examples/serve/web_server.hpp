// SPDX-License-Identifier: MIT
//
// Endpoints, limits and errors over HTTP, and an orderly end.
#pragma once

#include <httplib.h>
#include <sys/socket.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "connection_threads.hpp"
#include "framing.hpp"
#include "http_server.hpp"
#include "messages.hpp"
#include "metrics.hpp"
#include "page.hpp"
#include "ports.hpp"
#include "service.hpp"
#include "services.hpp"

namespace serve {

/// Limits of the server, beside those of its models' queues.
struct web_options {
  std::size_t connections = 64;                  ///< that are served at a time
  std::size_t max_body = std::size_t{4} << 20U;  ///< bytes of a request
  std::size_t max_texts = 256;                   ///< of a request
  std::size_t max_tokens = 65'536;               ///< of an answer of /tokenize
  std::chrono::seconds patience{30};             ///< with a client
  std::chrono::seconds drain{0};                 ///< between a signal to end and the end
};

inline void reply(httplib::Response& response, int status, const ordered_json& body) {
  response.status = status;
  response.set_content(to_text(body), "application/json");
}

inline void reply_error(httplib::Response& response, int status, std::string_view code, std::string_view message,
                        std::string_view where = {}) {
  response.status = status;
  response.set_content(error_body(status, code, message, where), "application/json");
  if (status == 503) response.set_header("Retry-After", "1");
}

/// What went wrong while a request was answered.
inline void reply_problem(httplib::Response& response, const std::exception_ptr& what) {
  try {
    std::rethrow_exception(what);
  } catch (const bad_request& problem) {
    reply_error(response, problem.status, problem.code, problem.what(), problem.where);
  } catch (const queue_full& problem) {
    reply_error(response, 503, "busy", problem.what());
  } catch (const waited_too_long& problem) {
    reply_error(response, 503, "waited_too_long", problem.what());
  } catch (const ufb::error& problem) {
    const bool asked_wrongly =
        problem.code() == ufb::error_code::invalid_input || problem.code() == ufb::error_code::limit_exceeded;
    reply_error(response, asked_wrongly ? 422 : 500, ufb::name(problem.code()), problem.what());
  } catch (const std::bad_alloc&) {
    reply_error(response, 503, "out_of_memory", "there is no memory for this request now");
  } catch (const std::exception& problem) {
    reply_error(response, 500, "internal", problem.what());
  }
}

/// The server. Pre of all: the models outlive it.
class web_server {
  using clock = std::chrono::steady_clock;

 public:
  web_server(const services& models, const web_options& wanted)
      : models_(models),
        wanted_(wanted),
        server_(
            wanted.patience, [this](const httplib::Request& request) { return find_fault(request); },
            [this](int status) { metrics_.add_refused(status); }) {
    const std::size_t connections = wanted.connections;
    server_.new_task_queue = [connections] { return new connection_threads(connections); };
    server_.set_keep_alive_timeout(std::min<std::time_t>(5, wanted.patience.count()));
    server_.set_keep_alive_max_count(10'000);
    server_.set_tcp_nodelay(true);
    server_.set_socket_options([this](socket_t socket) {
      const int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      socket_ = socket;
    });
    add_endpoints();
  }

  /// Takes a port, any one for 0. Returns it. Throws: std::runtime_error.
  int bind(const std::string& host, int port) {
    port_ = port == 0 ? server_.bind_to_any_port(host) : server_.bind_to_port(host, port) ? port : -1;
    if (port_ < 0) throw std::runtime_error("cannot listen at " + address(host, port));
    ::listen(socket_, SOMAXCONN);  // the library lets five connections wait to be accepted
    return port_;
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
  /// closed without an answer. Clients have as long as ever for what they send and read, and no longer.
  void stop() {
    draining_ = true;
    std::this_thread::sleep_for(wanted_.drain);
    const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
    while (!server_.is_running() && !ended_) pause();  // it cannot be stopped before it runs
    server_.stop();
    server_.end_idle();
    const auto until = clock::now() + wanted_.patience + std::chrono::seconds(1);
    while (!ended_ && clock::now() < until) pause();
    while (!ended_) {
      server_.hang_up();
      pause();
    }
  }

 private:
  static bool is_one_of(const std::vector<std::string>& paths, const std::string& path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  }

  static constexpr std::string_view models_path = "/v1/models/";

  // What is wrong with a request, if that is clear before its body comes.
  [[nodiscard]] std::optional<refusal> find_fault(const httplib::Request& request) const {
    const std::string& path = request.path;
    const bool posts = is_one_of(post_paths_, path);
    const bool gets =
        is_one_of(get_paths_, path) || (path.starts_with(models_path) && path.size() > models_path.size() &&
                                        path.size() <= models_path.size() + services::longest_name);
    if (!posts && !gets) return refusal{404, "no_such_endpoint", request.method + ' ' + path + " does not exist"};
    if (posts && request.method != "POST") {
      return refusal{405, "method_not_allowed", "this endpoint takes POST alone", "POST"};
    }
    if (gets && request.method != "GET" && request.method != "HEAD") {
      return refusal{405, "method_not_allowed", "this endpoint takes GET alone", "GET, HEAD"};
    }
    if (request.get_header_value("Content-Type").starts_with("multipart/")) {
      return refusal{415, "bad_media_type", "a body is JSON"};
    }
    if (posts && request.has_header("Content-Length") &&
        std::stoull(request.get_header_value("Content-Length")) > wanted_.max_body) {
      return http_server::refusal_of(413);
    }
    return {};
  }

  void add_endpoints() {
    on_get("/", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(std::string(page), "text/html; charset=utf-8");
    });
    on_get("/health", [this](const httplib::Request&, httplib::Response& response) {
      reply(response, draining_ ? 503 : 200, {{"status", draining_ ? "stopping" : "ok"}});
    });
    on_get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(metrics_text(), "text/plain; version=0.0.4");
    });
    on_get("/v1/models", [this](const httplib::Request&, httplib::Response& response) {
      ordered_json data = ordered_json::array();
      for (const auto& each : models_.all()) data.push_back(to_json(*each));
      reply(response, 200, {{"object", "list"}, {"data", std::move(data)}});
    });
    on_get(
        "/v1/models/{id}",
        [this](const httplib::Request& request, httplib::Response& response) {
          reply(response, 200, to_json(models_.find({}, request.matches[1])));
        },
        std::string(models_path) + "(.*)");
    for (const char* endpoint : {"/v1/embeddings", "/rerank", "/classify", "/entities", "/fill_mask"}) {
      on_post(endpoint, [this, endpoint](const fields& request, httplib::Response& response) {
        response.set_content(models_.find(endpoint, request.text("model", {})).answer(request), "application/json");
      });
    }
    on_post("/tokenize", [this](const fields& request, httplib::Response& response) {
      request.allow({"model", "input"});
      const service& model = models_.find({}, request.text("model", {}));
      const auto texts = request.texts("input", wanted_.max_texts, true);
      response.set_content(tokenize(model, texts, request.all_pairs("input")), "application/json");
    });
    on_post("/routes", [this](const fields& request, httplib::Response& response) {
      request.allow({"model", "input", "layer"});
      service& model = models_.find({}, request.text("model", {}), true);
      const auto texts = request.texts("input", 1);
      response.set_content(model.draw_routes(texts.front().first, request.number("layer", 0, 0, 100'000)),
                           "image/svg+xml");
    });
  }

  // `pattern`: an expression for the path, where it is not the path itself.
  template <class Answer>
  void on_get(const std::string& path, Answer answer, const std::string& pattern = {}) {
    server_.Get(pattern.empty() ? path : pattern,
                [this, path, answer](const httplib::Request& request, httplib::Response& response) {
                  timed(path, response, [&] { answer(request, response); });
                });
    get_paths_.push_back(path);
  }

  template <class Answer>
  void on_post(const std::string& path, Answer answer) {
    // The body as it comes: clients that call their JSON a form would meet the small limit of forms.
    server_.Post(path, [this, path, answer](const httplib::Request&, httplib::Response& response,
                                            const httplib::ContentReader& read) {
      std::string body;
      const auto until = clock::now() + wanted_.patience;
      bool fits = true;
      const bool whole = read([&](const char* data, std::size_t length) {
        fits = length <= wanted_.max_body - body.size();
        if (fits) body.append(data, length);
        return fits;
      });
      if (whole) return timed(path, response, [&] { answer(fields(body), response); });
      // The client may be gone; otherwise the error handler answers.
      response.status = !fits ? 413 : clock::now() >= until ? 408 : std::max(response.status, 400);
      response.set_header("Connection", "close");
    });
    post_paths_.push_back(path);
  }

  template <class Answer>
  void timed(const std::string& path, httplib::Response& response, const Answer& answer) {
    const auto start = clock::now();
    response.status = 200;
    try {
      answer();
    } catch (...) {
      reply_problem(response, std::current_exception());
    }
    metrics_.add(path, response.status, std::chrono::duration<double>(clock::now() - start).count());
  }

  [[nodiscard]] ordered_json to_json(const service& model) const {
    const auto mask = model.reader().special_token(ufb::special_role::mask);
    return {{"id", model.name()},
            {"object", "model"},
            {"created", start_},
            {"owned_by", "local"},
            {"endpoint", model.endpoint()},
            {"scores", model.scores()},
            {"routes", model.has_routes()},
            {"mask_token", mask ? ordered_json(*mask) : ordered_json()},
            {"description", model.describe()}};
  }

  // Written at once: a tree of all tokens would take many times the memory of the answer.
  [[nodiscard]] std::string tokenize(const service& model, const std::vector<ufb::text_pair>& texts,
                                     std::optional<bool> pairs) {
    if (!pairs) throw bad_request(422, "bad_value", "expected either texts or pairs of texts, not both", "input");
    // One at a time, as a text of some megabytes takes hundreds of them.
    const std::lock_guard lock(tokenizing_);
    std::string out = R"({"model":)" + to_text(model.name()) + R"(,"results":[)";
    std::size_t tokens = 0;
    for (const ufb::text_pair& text : texts) {
      const ufb::encoding one =
          *pairs ? model.reader().encode(text.first, text.second) : model.reader().encode(text.first);
      tokens += one.size();
      if (tokens > wanted_.max_tokens) {
        throw bad_request(422, "too_many_tokens",
                          "expected at most " + std::to_string(wanted_.max_tokens) + " tokens in all", "input");
      }
      out.append(out.back() == '[' ? "" : ",").append(R"({"ids":)");
      append_numbers(out, one.ids);
      out.append(R"(,"tokens":[)");
      for (std::size_t t = 0; t < one.size(); ++t) {
        out.append(t == 0 ? "" : ",").append(to_text(std::string_view(one.tokens[t])));
      }
      out.append(R"(],"offsets":[)");
      for (std::size_t t = 0; t < one.size(); ++t) {
        out.append(t == 0 ? "" : ",");
        append_numbers(out, std::vector<std::uint32_t>{one.offsets[t].begin, one.offsets[t].end});
      }
      out.append("]}");
    }
    return out + "]}";
  }

  [[nodiscard]] std::string metrics_text() const {
    std::ostringstream out;
    metrics_.write(out);
    const auto write = [&](const char* name, const char* type, const char* help, auto of) {
      out << "# HELP " << name << ' ' << help << "\n# TYPE " << name << ' ' << type << '\n';
      for (const auto& each : models_.all()) {
        out << name << "{endpoint=\"" << each->endpoint() << "\",model=" << quoted(each->name()) << "} "
            << of(each->counts()) << '\n';
      }
    };
    write("ufb_batches_total", "counter", "Calls of the model.", [](const auto& c) { return c.batches; });
    write("ufb_texts_total", "counter", "Texts in them.", [](const auto& c) { return c.items; });
    write("ufb_texts_waiting", "gauge", "Texts that wait for their turn.", [](const auto& c) { return c.waiting; });
    return out.str();
  }

  const services& models_;
  web_options wanted_;
  std::vector<std::string> get_paths_{};
  std::vector<std::string> post_paths_{};
  int port_ = -1;
  std::time_t start_ = std::time(nullptr);
  std::atomic<bool> draining_ = false;
  std::atomic<bool> ended_ = false;
  std::mutex tokenizing_{};
  metrics metrics_{};
  socket_t socket_ = INVALID_SOCKET;  // that listens
  http_server server_;
};

}  // namespace serve
