#!/bin/sh
# The demonstration, as a test: "$@" is the program.
exec sh "$(dirname "$0")/demo-check.sh" "$@"
