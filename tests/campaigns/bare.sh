# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # called by tests/run.sh, whose variables these are
#
# [NAME...]: the commands of README.md, each on a bare Debian of its own (as root); tests/support/bare.sh --list prints
# their names

campaign() { "$root/tests/support/bare.sh" "$@"; }
