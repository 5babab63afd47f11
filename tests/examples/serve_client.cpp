// SPDX-License-Identifier: MIT
//
// ufb_serve_client --port P [--requests N] [--connections C] [--large TEXTS]: asks a server of examples/serve from many
// connections at a time. Every answer has to be the one that the same request got alone before, byte by byte. Closing
// lines: requests a second one after another and at a time, latencies, and
//   N answers, L lost, M mixed up
// Exit status 1 if any was lost or mixed up.
#include <httplib.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
using nlohmann::json;

struct options {
  std::string host = "127.0.0.1";
  int port = 0;
  std::size_t requests = 10'000;
  std::size_t connections = 16;
  std::size_t alone = 400;
  std::size_t large = 0;  // texts of every thirtieth request, if there are such
};

struct request {
  std::string path{};
  std::string body{};
  std::string answer{};  // what it got alone
};

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

// Requests of one to five texts for every endpoint that the server has, and some of `large` ones.
std::vector<request> make_requests(httplib::Client& client, std::size_t large) {
  const auto models = client.Get("/v1/models");
  if (!models || models->status != 200) throw std::runtime_error("/v1/models does not answer");
  const std::vector<std::string> words{"will", "it", "rain", "in", "London", "play", "some", "jazz", "a", "cup", "of"};
  std::mt19937 random(7);
  const auto number = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  std::vector<request> all;
  const json list = json::parse(models->body);
  for (const json& model : list["data"]) {
    const std::string endpoint = model["endpoint"].get<std::string>();
    const std::string mask = model["mask_token"].is_string() ? " " + model["mask_token"].get<std::string>() : "";
    for (int i = 0; i < 60; ++i) {
      json texts = json::array();
      for (std::size_t t = large != 0 && i % 30 == 7 ? large : number(5) + 1; t != 0; --t) {
        std::string text;
        for (std::size_t w = number(24) + 1; w != 0; --w)
          text.append(w == 1 ? "" : " ").append(words[number(words.size())]);
        texts.push_back(endpoint == "/fill_mask" ? text + mask : text);
      }
      json body{{"model", model["id"]}};
      if (endpoint == "/rerank") {
        body.update({{"query", "rain"}, {"documents", texts}});
      } else {
        body["input"] = texts;
        if (endpoint == "/fill_mask") body["top_k"] = number(3) + 1;  // so that not all of them can share a batch
      }
      all.push_back({.path = endpoint, .body = body.dump()});
    }
  }
  return all;
}

double run(const options& wanted) {
  httplib::Client first(wanted.host, wanted.port);
  first.set_keep_alive(true);
  first.set_tcp_nodelay(true);  // headers and body are two packets, and the second would wait for 40 ms
  std::vector<request> requests = make_requests(first, wanted.large);
  for (request& each : requests) {
    const auto answer = first.Post(each.path, each.body, "application/json");
    if (!answer || answer->status != 200) throw std::runtime_error(each.path + " does not answer " + each.body);
    each.answer = answer->body;
  }
  const auto alone = clock_type::now();
  for (std::size_t i = 0; i < wanted.alone; ++i) {
    const request& each = requests[i % requests.size()];
    const auto answer = first.Post(each.path, each.body, "application/json");
    if (!answer || answer->body != each.answer) throw std::runtime_error(each.path + " answers otherwise than before");
  }
  const double alone_rate = static_cast<double>(wanted.alone) / seconds_since(alone);

  std::atomic<std::size_t> next = 0;
  std::atomic<std::size_t> lost = 0;
  std::atomic<std::size_t> mixed = 0;
  std::vector<std::vector<double>> latencies(wanted.connections);
  const auto start = clock_type::now();
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < wanted.connections; ++c) {
    threads.emplace_back([&, c] {
      httplib::Client client(wanted.host, wanted.port);
      client.set_keep_alive(true);
      client.set_tcp_nodelay(true);
      client.set_read_timeout(std::chrono::seconds(60));
      for (std::size_t i = next++; i < wanted.requests; i = next++) {
        const request& each = requests[i * 7919 % requests.size()];
        const auto sent = clock_type::now();
        auto answer = client.Post(each.path, each.body, "application/json");
        // A full queue is no loss: whoever comes back is answered in the end.
        while (answer && answer->status == 503 && seconds_since(sent) < 60) {
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          answer = client.Post(each.path, each.body, "application/json");
        }
        latencies[c].push_back(seconds_since(sent));
        if (!answer || answer->status != 200) {
          std::cerr << (answer ? answer->body : httplib::to_string(answer.error())) + '\n';
          ++lost;
        } else if (answer->body != each.answer) {
          ++mixed;
        }
      }
    });
  }
  for (std::thread& each : threads) each.join();
  const double rate = static_cast<double>(wanted.requests) / seconds_since(start);

  std::vector<double> sorted;
  for (const auto& each : latencies) sorted.insert(sorted.end(), each.begin(), each.end());
  std::sort(sorted.begin(), sorted.end());
  const auto quantile = [&](double share) {
    return 1000 * sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
  };
  std::cout << std::fixed << std::setprecision(1) << alone_rate << " requests/s one after another, " << rate << " from "
            << wanted.connections << " connections (" << std::setprecision(2) << rate / alone_rate
            << " times); latency p50 " << quantile(0.5) << " ms, p99 " << quantile(0.99) << " ms\n"
            << wanted.requests << " answers, " << lost << " lost, " << mixed << " mixed up\n";
  return static_cast<double>(lost + mixed);
}

}  // namespace

int main(int argc, char** argv) {
  options wanted;
  CLI::App app{"Asks a server from many connections", "ufb_serve_client"};
  app.add_option("--host", wanted.host)->capture_default_str();
  app.add_option("--port", wanted.port)->required();
  app.add_option("--requests", wanted.requests)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--connections", wanted.connections)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--large", wanted.large, "texts of every thirtieth request");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(wanted) == 0 ? 0 : 1;
  } catch (const std::exception& problem) {
    std::cerr << "ufb_serve_client: " << problem.what() << '\n';
    return 1;
  }
}
