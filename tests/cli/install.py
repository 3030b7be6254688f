"""Another MPI program with the installed library: found by CMake and by pkg-config, as C and as
C++, the same answer on any number of ranks; the library by itself needs no MPI."""

import glob
import os
import shlex
import shutil
import sys
import unittest

import support

BUILD = os.path.dirname(support.PITPROP)
STRICT = "-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror".split()
SERIAL = """#include <pitprop/verdict.h>
#include <stdlib.h>
int main(void)
{
    pp_sketch_shape shape = {.kind = PP_SKETCH_BINARY, .classes = 2, .columns = 1};
    free(pp_sketch_create(&shape));
    return 0;
}
"""


def sanitizers():
    """A library that was built with them wants programs that are."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        on = "PITPROP_SANITIZE:BOOL=ON" in file.read()
    return "-fsanitize=address,undefined" if on else ""


class Install(support.Case):
    @classmethod
    def setUpClass(cls):
        """Installed in one place, used in another: nothing in it may name the first."""
        super().setUpClass()
        staging = os.path.join(cls.shared, "staging")
        cls.prefix = os.path.join(cls.shared, "prefix")
        made = support.run(None, words=["cmake", "--install", BUILD, "--prefix", staging])
        if made.code != 0:
            raise AssertionError(made)
        os.rename(staging, cls.prefix)
        (found,) = glob.glob(f"{cls.prefix}/**/pitprop.pc", recursive=True)
        cls.environment = {
            "PKG_CONFIG_PATH": os.path.dirname(found),
            "CMAKE_PREFIX_PATH": cls.prefix,
        }
        cls.example = f"{cls.prefix}/share/pitprop/jobs/library"

    def do(self, *words):
        """Standard output of a command that must succeed."""
        result = support.run(
            None, words=list(words), cwd=self.scratch, environment=self.environment
        )
        return self.expect(result).out

    def flags(self):
        found = self.do("pkg-config", "--cflags", "--libs", "pitprop")
        return shlex.split(found) + shlex.split(sanitizers())

    def outputs(self, program):
        """Of a model that answers 0.5 and of one that works; the same on 1, 2 and 3 ranks."""
        said = []
        for signal in ("0", "0.9"):
            alone = self.do(program, signal)
            for ranks in ("2", "3"):
                self.assertEqual(alone, self.do("mpirun", "-n", ranks, program, signal), ranks)
            said.append(alone)
        return said

    def check_outputs(self, program):
        half, works = self.outputs(program)
        self.assertIn('"verdict": "at-half"', half)
        self.assertIn('"verdict": "healthy"', works)
        for text in half, works:
            self.assertIn('"rows": 10000', text)

    def test_found_by_cmake(self):
        flags = f"-DCMAKE_C_FLAGS={' '.join(STRICT)} {sanitizers()}"
        self.do("cmake", "-S", self.example, "-B", "build", flags)
        self.do("cmake", "--build", "build")
        self.check_outputs("build/monitor")

    def test_found_by_pkg_config(self):
        source = f"{self.example}/monitor.c"
        self.do("mpicc", "-std=c11", *STRICT, source, "-o", "monitor", *self.flags())
        self.check_outputs("./monitor")

    @unittest.skipUnless(shutil.which("mpicxx") and shutil.which("g++"), "no C++ compiler")
    def test_as_cxx(self):
        shutil.copy(f"{self.example}/monitor.c", f"{self.scratch}/monitor.cc")
        flags = ["-std=c++20", "-Wall", "-Werror", "monitor.cc", "-o", "monitor", *self.flags()]
        self.do("mpicxx", *flags)
        self.check_outputs("./monitor")

    def test_without_mpi(self):
        with open(f"{self.scratch}/serial.c", "w", encoding="utf-8") as file:
            file.write(SERIAL)
        self.do("cc", "-std=c11", "serial.c", "-o", "serial", *self.flags())
        self.do("./serial")

    def test_every_header_stands_alone(self):
        headers = sorted(glob.glob(f"{self.prefix}/include/pitprop/*.h"))
        self.assertIn(f"{self.prefix}/include/pitprop/verdict.h", headers)
        for header in headers:
            words = [*STRICT, "-fsyntax-only", "-I", f"{self.prefix}/include", "-include", header]
            for language in ["c"] + ["c++"] * bool(shutil.which("g++")):
                self.do("gcc", "-x", language, *words, "/dev/null")

    def test_names_no_other_place(self):
        files = glob.glob(f"{self.prefix}/**", recursive=True)
        texts = [path for path in files if path.endswith((".cmake", ".pc", ".h", ".txt"))]
        self.assertGreater(len(texts), 8)
        for path in texts:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for place in support.SOURCE, BUILD, f"{self.shared}/staging":
                self.assertNotIn(place, text, path)

    def test_the_python_package_installs_without_an_index_and_finds_the_program(self):
        if support.run(None, words=[sys.executable, "-m", "pip", "--version"]).code != 0:
            self.skipTest("no pip")
        python = f"{self.scratch}/venv/bin/python"
        self.do(sys.executable, "-m", "venv", "--without-pip", f"{self.scratch}/venv")
        pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps"]
        self.do(*pip, f"{self.prefix}/share/pitprop/python")
        self.assertIn("--no-rerun", self.do(python, "-m", "pitprop_torch", "--help"))
        self.assertTrue(glob.glob(f"{self.scratch}/venv/lib/*/site-packages/pitprop_torch/py.typed"))
        find = "import os; os.environ.pop('PITPROP', None); from pitprop_torch import program; print(program.find())"
        self.assertEqual(self.do(python, "-c", find).strip(), f"{self.prefix}/bin/pitprop")

    def test_the_program(self):
        said = self.do(f"{self.prefix}/bin/pitprop", "version")
        self.assertRegex(said, r"^pitprop +\d+\.\d+\.\d+")


if __name__ == "__main__":
    support.main()
