#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: test_serve.sh PROGRAM JSON_AT MODELS CLIENT
# The server over loopback: answers, refusals with their status, many clients at a time, a full queue, an orderly end.
set -eu
client=$4
. "$(dirname "$0")/support.sh"
server=
trap 'status=$?; [ $status -eq 0 ] || cat "$work/server.err" 2>/dev/null || true
      [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true; rm -rf "$work"; exit $status' EXIT

# start ARGUMENT...: leaves $server and $port.
start() {
  : >"$work/server"  # what the server before said is not taken for its words
  "$program" --port 0 "$@" >"$work/server" 2>"$work/server.err" &
  server=$!
  tries=0
  until grep -qs '^listening' "$work/server"; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
      complain "the server does not start: $(cat "$work/server" "$work/server.err")"
      finish
    fi
    sleep 0.1
  done
  port=$(sed -n 's/^listening on .*://p' "$work/server")
}

# stop: ends it, which has to be orderly.
stop() {
  kill -TERM "$server"
  found=0
  wait "$server" || found=$?
  server=
  same "the exit status behind SIGTERM" 0 "$found"
  same "its last word" stopped "$(tail -n 1 "$work/server")"
}

# ask PATH [BODY]: leaves the answer in $work/answer and prints its status.
ask() {
  path=$1
  shift
  if [ $# -eq 0 ]; then
    curl -s -o "$work/answer" -w '%{http_code}' "http://127.0.0.1:$port$path"
  else
    curl -s -o "$work/answer" -w '%{http_code}' "http://127.0.0.1:$port$path" -d "$1"
  fi
}

# answers NAME STATUS POINTER VALUE PATH [BODY]
answers() {
  name=$1 status=$2 pointer=$3 value=$4
  shift 4
  same "$name: status" "$status" "$(ask "$@")"
  same "$name" "$value" "$("$json_at" "$pointer" <"$work/answer")"
}

ln -s "$models/tiny-mlm" "$work/linked"
start --model "$models/tiny-mlm" --model "$models/tiny-classifier" --embedder "$models/tiny-mlm" --max-texts 8 \
  --max-body 100000 --max-tokens 1000 --reranker "ranks/well=$models/tiny-classifier" --embedder "$work/linked"
answers "health" 200 /status ok /health
same "the page" 200 "$(ask /)"
grep -q '<title>ultrafastbert</title>' "$work/answer" || complain "no page"
answers "a mask" 200 /results/0/masks/0/candidates/0/token coffee /fill_mask \
  '{"input": "I would like a cup of <mask>, please."}'
answers "a label" 200 /results/0/label GetWeather /classify '{"input": ["Will it rain in London tomorrow?"]}'
answers "an embedding" 200 /data/1/embedding# 192 /v1/embeddings '{"input": ["a", "b"], "model": "tiny-mlm"}'
answers "an embedding of four dimensions in base64" 200 /data/0/embedding "6R91v5uFjD4WZQY9VVWoPQ==" /v1/embeddings \
  '{"input": "a", "encoding_format": "base64", "dimensions": 4}'
masks=$(awk 'BEGIN { for (i = 0; i < 100; ++i) printf "<mask> " }')
answers "many words for many masks" 422 /error/code too_many_candidates /fill_mask "{\"input\": \"$masks\", \"top_k\": 1000}"
answers "tokens" 200 /results/0/tokens# 6 /tokenize '{"input": "a\tb [c]"}'
same "a drawing" 200 "$(ask /routes '{"input": "The cat sat.", "layer": 1}')"
grep -q '^<svg' "$work/answer" || complain "no drawing: $(head -c 200 "$work/answer")"
answers "five models" 200 /data# 5 /v1/models
answers "one of them" 200 /endpoint /rerank /v1/models/ranks/well
answers "one that is not there" 404 /error/param model /v1/models/large
answers "a model by the name of a link" 200 /model linked /v1/embeddings '{"input": "a", "model": "linked"}'
query=$(awk 'BEGIN { for (i = 0; i < 60000; ++i) printf "q" }')
answers "a long query for many documents" 422 /error/code too_large /rerank \
  "{\"query\": \"$query\", \"documents\": [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"], \"model\": \"ranks/well\"}"
answers "documents with themselves" 200 /results/0/document/text "b c" /rerank \
  '{"query": "a", "documents": ["b c"], "return_documents": true, "model": "ranks/well"}'
answers "documents in order" 200 /results# 2 /rerank '{"query": "a", "documents": ["b", "c"], "model": "ranks/well"}'
answers "what is used" 200 /usage/prompt_tokens 5 /v1/embeddings '{"input": ["a b", "c"]}'
answers "a pair, of which one text is empty" 200 /results/0/tokens# 4 /tokenize '{"input": {"text": "a", "text_pair": ""}}'

answers "no such path" 404 /error/code no_such_endpoint /nowhere
answers "another method" 405 /error/code method_not_allowed /classify
answers "a task that no model has" 404 /error/code no_model /entities '{"input": "a"}'
answers "a model that is not there" 404 /error/param model /classify '{"input": "a", "model": "large"}'
answers "no JSON" 400 /error/code bad_json /classify '{"input": '
answers "no object" 422 /error/code bad_type /classify '[1]'
answers "no input" 422 /error/param input /classify '{}'
answers "a field that is not known" 422 /error/param flavor /classify '{"input": "a", "flavor": 1}'
answers "a text that is none" 422 /error/param 'input[1]' /classify '{"input": ["a", 5]}'
answers "too many texts" 422 /error/code too_many_texts /classify '{"input": [1, 2, 3, 4, 5, 6, 7, 8, 9]}'
answers "no dimensions" 422 /error/param dimensions /v1/embeddings '{"input": "a", "dimensions": 0}'
answers "no documents" 422 /error/param top_n /rerank '{"query": "a", "documents": ["b"], "top_n": 0}'
answers "ids of tokens" 422 /error/param 'input[0]' /v1/embeddings '{"input": [[5, 6], [8]]}'
answers "too many dimensions" 422 /error/param dimensions /v1/embeddings '{"input": "a", "dimensions": 193}'
long=$(awk 'BEGIN { for (i = 0; i < 2000; ++i) printf "the " }')
answers "a text with too many tokens" 422 /error/param 'input[1]' /classify "{\"input\": [\"a\", \"$long\"]}"
answers "an embedding of one" 422 /error/param 'input[0]' /v1/embeddings "{\"input\": \"$long\"}"
answers "its tokens" 422 /error/code too_many_tokens /tokenize "{\"input\": \"$long\"}"
answers "the same, cut" 200 /results# 2 /classify "{\"input\": [\"a\", \"$long\"], \"truncate\": true}"
answers "no model's name" 404 /error/code no_such_endpoint /v1/models/
awk 'BEGIN { for (i = 0; i < 101000; ++i) printf "x" }' >"$work/large"
answers "a body that is too large" 413 /error/code too_large /classify "@$work/large"
python3 "$(dirname "$0")/http_frames.py" "$port" >"$work/frames" || complain "frames: $(cat "$work/frames")"
"$client" --port "$port" --requests 10000 --connections 16 >"$work/many" || complain "many clients: $(cat "$work/many")"
same "no answer is lost or mixed up" "10000 answers, 0 lost, 0 mixed up" "$(tail -n 1 "$work/many")"
same "metrics" 200 "$(ask /metrics)"
grep -q '^ufb_requests_total{endpoint="/classify",status="422"} [1-9]' "$work/answer" || complain "no count of refusals"
same "each series of the metrics once" "" "$(sed -n 's/^\([^#].*\) [^ ]*$/\1/p' "$work/answer" | sort | uniq -d)"
stop

# A signal may come at any time of the start.
for delay in 0.01 0.02 0.03 0.05 0.08 0.12 0.2; do
  "$program" --port 0 --model "$models/tiny-mlm" >"$work/early" 2>&1 &
  server=$!
  sleep $delay
  kill -TERM "$server"
  tries=0
  while kill -0 "$server" 2>/dev/null && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  [ $tries -lt 100 ] || complain "a signal $delay s behind the start does not end it"
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
done

# One text may wait; the clients come back until all are answered.
start --model "$models/tiny-classifier" --queue 1 --batch 1
"$client" --port "$port" --requests 500 --connections 32 >"$work/many" || complain "a full queue: $(cat "$work/many")"
ask /metrics >/dev/null
grep -q '^ufb_requests_total{endpoint="/classify",status="503"} [1-9]' "$work/answer" || complain "the queue was never full"
stop

# What was read before the end is answered: texts wait in the queue when the signal comes.
start --model "$models/tiny-classifier" --batch 1 --queue 2000
body=$(awk 'BEGIN { printf "{\"input\": ["; for (i = 0; i < 200; ++i) printf "%s\"play some jazz and then more of it\"", i ? ", " : ""; print "]}" }')
asking=
for i in 1 2 3 4 5 6 7 8; do
  curl -s -o "$work/last$i" -w '%{http_code}' "http://127.0.0.1:$port/classify" -d "$body" >"$work/status$i" &
  asking="$asking $!"
done
asked=0
: >"$work/answer"
until [ $asked -gt 1000 ] || grep -q '^ufb_texts_waiting{.*} [1-9]' "$work/answer"; do
  ask /metrics >/dev/null
  asked=$((asked + 1))
done
[ $asked -le 1000 ] || complain "nothing ever waits"
stop
i=0
for pid in $asking; do
  i=$((i + 1))
  found=0
  wait "$pid" || found=$?
  # Whole answers, or none for a request that the server had not read: no connection (7), or one that is closed (52, 56).
  case $found$(cat "$work/status$i") in
    0200)
      same "an answer at the end" 200 "$("$json_at" '/results#' <"$work/last$i")"
      asked=$((asked + 1))
      ;;
    7000 | 52000 | 56000) ;;
    *) complain "an answer at the end: curl ends with $found, status $(cat "$work/status$i")" ;;
  esac
done
same "what was read is answered" "answered $asked requests" "$(grep '^answered' "$work/server")"

# A client that sends a byte now and then does not keep the server from ending. A server of its own cuts where it is told.
start --model "$models/tiny-classifier" --truncate --timeout 1
answers "a long text where texts are cut" 200 /results# 1 /classify "{\"input\": \"$long\"}"
python3 - "$port" <<'END' >"$work/slow" || complain "a slow head: $(cat "$work/slow")"
import socket
import sys
import time

with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as connection:
    begin = time.monotonic()
    connection.setblocking(False)
    answer = b""
    while time.monotonic() - begin < 20 and not answer:
        try:
            connection.send(b"X")
            time.sleep(0.1)
            answer = connection.recv(100)
        except BlockingIOError:
            pass
    sys.exit(not answer.startswith(b"HTTP/1.1 408 "))
END
python3 - "$port" "$work/connected" <<'END' &
import socket
import sys
import time

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    open(sys.argv[2], "w").close()
    try:
        for byte in b"POST /classify HTTP/1.1" * 20:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)
    except OSError:
        pass
END
slow=$!
tries=0
until [ -e "$work/connected" ] || [ $tries -gt 300 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
refused "a port in use" 1 "Address already in use" --model "$models/tiny-classifier" --port "$port"
begin=$(date +%s)
stop
[ $(($(date +%s) - begin)) -lt 15 ] || complain "a slow client holds the end up"
wait "$slow" || true

refused "no model" 2 "--model, --embedder or --reranker"
refused "two folders of one name" 1 "two folders are called a" --model "a=$models/tiny-mlm" --model \
  "a=$models/tiny-classifier"
refused "a name without a folder" 1 "lm= names no folder" --model lm=
refused "a name that no request can have" 1 "a model's name" --model "$(printf '\377')=$models/tiny-mlm"
refused "a folder that is not there" 1 "$work/nowhere" --model "$work/nowhere"
refused "a port that is none" 2 "--port" --model "$models/tiny-mlm" --port 70000
refused "a time-out that is none" 2 "--timeout" --model "$models/tiny-mlm" --timeout 10000000000
refused "more connections than there may be" 2 "--connections" --model "$models/tiny-mlm" --connections 5000
refused "a drain that is none" 2 "--drain" --model "$models/tiny-mlm" --drain -1
refused "an unknown option" 2 "--prot" --prot 1
finish
