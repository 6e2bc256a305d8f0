#!/usr/bin/env python3
"""Each line of cases.txt must be refused by the compiler, while the same file without it compiles."""
import pathlib
import subprocess
import sys

compiler, source_dir = sys.argv[1], pathlib.Path(sys.argv[2])
FRAME = """#include <iostream>
#include "base/entropy.hpp"
#include "base/event_log.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
using namespace callward;
Status fallible();
void probe(Key32& key, SecretBytes& plain, Redacted<std::string>& name) {
  (void)key; (void)plain; (void)name;
  %s
}
"""

def compiles(line):
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{source_dir}/src", "-x", "c++", "-"]
    return subprocess.run(command, input=FRAME % line, text=True, capture_output=True).returncode == 0

if not compiles(""):
    sys.exit("the frame itself does not compile: this test would prove nothing")
cases = [l.split("|", 1) for l in (source_dir / "tests/must_not_compile/cases.txt").read_text().splitlines() if l and l[0] != "#"]
bad = [name.strip() for name, line in cases if compiles(line.strip())]
print(f"{len(cases) - len(bad)} passed, {len(bad)} failed")
for name in bad:
    print(f"compiles, but must not: {name}")
sys.exit(1 if bad else 0)
