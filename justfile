# `just` lists these; each is one line, so they can be typed without just.

default:
    @just --list

# Everything CI runs.
ci:
    ./scripts/test

# The checks that take a minute once built.
quick:
    ./scripts/test quick

# The program on a throwaway directory with the sample course.
demo:
    cargo run -- demo

# All benches; each prints its limit beside its figure.
bench:
    cargo bench

# Fuzz targets: `just fuzz`, `just fuzz 600 mux ebt`.
fuzz *ARGS:
    ./scripts/fuzz {{ARGS}}
