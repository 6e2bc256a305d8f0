"""What documents name: files, tests of C++ (`Suite.Name`), cases and stories of other tests (`file: name`)."""
import pathlib
import re
import subprocess

root = pathlib.Path(__file__).resolve().parent.parent
GTEST = re.compile(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST\w*)\(\s*(\w+),\s*(\w+)", re.M)
# How a test of each kind of file is written there; what stands in front of a name, and behind it.
NAMED = {".py": "def {}(", ".ts": "test('{}'"}

listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                        cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
files = {name for name in listed if name and (root / name).is_file()}
gtests = {".".join(found): name for name in files if name.endswith("_test.cpp")
          for found in GTEST.findall((root / name).read_text())}


def is_there(thing):
    """(whether it is there, whether it is a test)"""
    if re.fullmatch(r"[A-Z]\w*\.[A-Z]\w*", thing) and thing not in files:
        return thing in gtests, True
    path, colon, name = thing.partition(": ")
    if path not in files:
        return False, False
    if not colon:
        return True, path.endswith(("_test.py", "_test.cpp", "cases.txt"))
    form = NAMED.get(pathlib.PurePath(path).suffix)
    return form is not None and form.format(name) in (root / path).read_text(), True
