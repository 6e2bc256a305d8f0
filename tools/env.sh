# Sourced by run, test and tools/setup from the repository's root: the same programs for all three.
# build/node and build/go are there only where tools/setup found no Node.js, no Go that is new enough.
export PATH="$PWD/build/node/bin:$PWD/build/go/bin:/usr/lib/ccache:$PATH"

# What one clone has compiled, another finds: paths count from the clone's own root.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1

node_is_new_enough() { # what vite 8 accepts: 20.19 and later of 20, 22.12 and later
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 22 || (a === 22 && b >= 12) || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null &&
    command -v npm >/dev/null
}

go_is_new_enough() { # what tools/go and bench/log_peer ask for
  local version
  version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
  version=${version#go1.}
  [ "${version%%[!0-9]*}" -ge 24 ] 2>/dev/null
}
