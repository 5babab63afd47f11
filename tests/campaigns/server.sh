# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# throughput and latency of examples/serve, its page in Chromium, and two servers behind HAProxy, one of which is killed on
# the way

# start_server FOLDER ARGUMENT...: a server whose words go to FOLDER/server; leaves $port, and its process last in
# $servers.
start_server() {
  local folder=$1
  shift
  mkdir -p "$folder"
  OPENBLAS_NUM_THREADS=1 "$root/build/examples/serve" --port 0 "$@" >"$folder/server" 2>&1 &
  servers+=("$!")
  until grep -qs '^listening' "$folder/server"; do
    kill -0 "${servers[-1]}" 2>/dev/null || { cat "$folder/server"; return 1; }
    sleep 0.1
  done
  port=$(sed -n 's/^listening on .*://p' "$folder/server")
}

# answered PORT: how many requests a server answered so far.
answered() {
  curl -sf "http://127.0.0.1:$1/metrics" | awk '/^ufb_requests_total/ { n += $2 } END { print n + 0 }'
}

campaign() {
  # shellcheck disable=SC2086  # lists of words
  ufb_require_packages $UFB_TEST_PACKAGES haproxy python3-selenium chromium-driver
  build build all -D CMAKE_BUILD_TYPE=Release -D CMAKE_CXX_COMPILER="${CXX:-g++}" -D UFB_BUILD_TESTS=ON \
    -D UFB_BUILD_EXAMPLES=ON
  local work models=$root/examples/models client=$root/build/tests/ufb_serve_client
  work=$(mktemp -d)
  servers=()
  # shellcheck disable=SC2064  # the folder as it is now
  trap "kill -9 \"\${servers[@]}\" 2>/dev/null || true; rm -rf '$work' '$log'" EXIT

  local connections
  start_server "$work/alone" --model "$models/tiny-mlm" --embedder "$models/tiny-mlm" --model "$models/tiny-classifier"
  for connections in 1 4 16 64; do
    say "one server, $connections connections"
    "$client" --port "$port" --requests 4000 --connections "$connections"
  done
  kill -TERM "${servers[0]}"
  wait "${servers[0]}"  # its status has to be 0
  servers=()

  say "the page in a browser"
  start_server "$work/page" --model "$models/tiny-mlm" --model "$models/tiny-classifier" --embedder "$models/tiny-mlm" \
    --reranker "ranks=$models/tiny-classifier"
  /usr/bin/python3 -B "$root/tests/examples/serve_page.py" "$port"  # Debian's, which has its packages
  kill -TERM "${servers[0]}"
  wait "${servers[0]}"
  servers=()

  local ports=() i
  for i in 1 2; do
    start_server "$work/$i" --model "$models/tiny-mlm" --model "$models/tiny-classifier"
    ports+=("$port")
  done
  # Requests that a dead server did not answer go to the other one: that changes nothing, as answers have no effects.
  cat >"$work/haproxy.cfg" <<END
global
  maxconn 512
  tune.bufsize 1048576  # or requests of more than 16 KB would not be sent again
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  retries 3
  retry-on conn-failure empty-response response-timeout 503
  option redispatch 1
  option http-buffer-request
frontend all
  bind 127.0.0.1:${UFB_BALANCER_PORT:-18099}
  default_backend models
backend models
  balance leastconn
  option httpchk GET /health
  default-server check inter 200ms fall 1 rise 1
  server one 127.0.0.1:${ports[0]}
  server two 127.0.0.1:${ports[1]}
END
  haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy" 2>&1 &
  servers+=("$!")
  until curl -sf -o "$work/health" "http://127.0.0.1:${UFB_BALANCER_PORT:-18099}/health"; do
    kill -0 "${servers[2]}" 2>/dev/null || { cat "$work/haproxy"; return 1; }
    sleep 0.1
  done
  kill -0 "${servers[2]}" || { cat "$work/haproxy"; return 1; }  # or something else answers at this port
  say "two servers behind HAProxy, one is killed on the way"
  "$client" --port "${UFB_BALANCER_PORT:-18099}" --requests 10000 --connections 16 --large 200 &
  local asking=$!
  until [ "$(answered "${ports[0]}")" -ge 2000 ]; do sleep 0.05; done
  kill -9 "${servers[0]}"
  kill -0 "$asking" || { say "the client was done before"; return 1; }
  wait "$asking"
}
