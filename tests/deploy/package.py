#!/usr/bin/python3
"""The Debian package and its service: what is in it, what systemd says of the unit, and what the worker tells systemd.

usage: package.py BUILD [unittest's arguments]     (BUILD: a build directory, whose program is packed; CPOA_BIN: the program)
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(".")


def run(*args, **kwargs):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, **kwargs)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        made = run("cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.scratch.name, cwd=BUILD)
        packages = list(Path(cls.scratch.name).glob("*.deb"))
        assert len(packages) == 1, made.stdout + made.stderr
        cls.deb = packages[0]
        cls.root = Path(cls.scratch.name) / "root"
        unpacked = run("dpkg-deb", "-x", cls.deb, cls.root)
        assert unpacked.returncode == 0, unpacked.stderr

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_its_name_and_what_it_needs(self):
        self.assertRegex(self.deb.name, r"^cpoa_[0-9.]+_[a-z0-9]+\.deb$")
        control = run("dpkg-deb", "-f", self.deb).stdout
        for library in ("libpq5", "librabbitmq4", "libcurl4", "libmicrohttpd12", "libxml2", "ca-certificates"):
            self.assertRegex(control, rf"(?m)^Depends: .*\b{library}\b")
        self.assertRegex(control, r"(?m)^Package: cpoa$")

    def test_what_is_in_it(self):
        lines = run("dpkg-deb", "-c", self.deb).stdout.splitlines()
        fields = [re.match(r"(\S+) (\S+) +\d+ \S+ \S+ \.(/\S*)", line).groups() for line in lines]
        modes = {path: (mode, owner) for mode, owner, path in fields}
        self.assertEqual(modes["/usr/bin/cpoa"], ("-rwxr-xr-x", "root/root"))
        self.assertEqual(modes["/usr/lib/systemd/system/cpoa.service"], ("-rw-r--r--", "root/root"))
        # Secrets may be written into it.
        self.assertEqual(modes["/etc/default/cpoa"], ("-rw-------", "root/root"))
        for path in modes:
            self.assertRegex(path, r"^/(etc(/default(/cpoa)?)?|usr/(bin|lib/systemd|share/(cpoa|man|bash-completion|doc))(/.*)?|usr/(lib|share)?)?/?$")
        self.assertEqual(run("dpkg-deb", "-I", self.deb, "conffiles").stdout, "/etc/default/cpoa\n")

    def test_the_program_in_it_runs(self):
        said = run(self.root / "usr/bin/cpoa", "version")
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertTrue(said.stdout.startswith("cpoa "))

    def test_the_settings_are_good(self):
        lines = [line.lstrip("#") for line in (self.root / "etc/default/cpoa").read_text().splitlines() if re.match(r"#?[A-Z]", line)]
        lines = [line for line in lines if re.match(r"[A-Z_]+=", line)]
        known = run(os.environ["CPOA_BIN"], "worker", "--help").stdout
        self.assertGreater(len(lines), 4)
        for line in lines:
            self.assertRegex(known, rf"(?m)^{line.split('=')[0]} ")

    def test_what_systemd_says_of_the_unit(self):
        unit = self.root / "usr/lib/systemd/system/cpoa.service"
        text = unit.read_text()
        unit.write_text(text.replace("/usr/bin/cpoa", str(self.root / "usr/bin/cpoa")))
        try:
            checked = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit)
            self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))
            # 0 is safest, 10 worst; what is left is the network.
            rated = run("systemd-analyze", "security", "--offline=yes", "--threshold=20", unit)
            self.assertEqual(rated.returncode, 0, rated.stdout[-300:])
        finally:
            unit.write_text(text)
        drain = float(re.search(r"^CPOA_DRAIN_SECONDS +(\d+)", run(os.environ["CPOA_BIN"], "worker", "--help").stdout, re.M)[1])
        self.assertGreaterEqual(float(re.search(r"^TimeoutStopSec=(\d+)$", text, re.M)[1]), drain + 10)


class Notify(unittest.TestCase):
    """What systemd hears; a datagram socket stands in its place."""

    def test_a_workers_life(self):
        with tempfile.TemporaryDirectory() as d, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(d + "/notify")
            systemd.settimeout(30)
            env = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": d + "/notify", "WATCHDOG_USEC": "600000", "CPOA_HTTP_PORT": "0",
                   "CPOA_DRAIN_SECONDS": "0", "AMQP_URL": "amqp://127.0.0.1:1/", "POSTGRES_HOST": "127.0.0.1", "POSTGRES_PORT": "1"}
            worker = subprocess.Popen([os.environ["CPOA_BIN"], "worker"], env=env, cwd=d, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            try:
                self.assertEqual(systemd.recv(100), b"READY=1")
                for _ in range(3):
                    self.assertEqual(systemd.recv(100), b"WATCHDOG=1")
                worker.send_signal(signal.SIGTERM)
                while (said := systemd.recv(100)) == b"WATCHDOG=1":
                    pass
                self.assertEqual(said, b"STOPPING=1")
                self.assertEqual(worker.wait(30), 0)
            finally:
                worker.kill()
                worker.wait()

    def test_a_watchdog_of_another_process(self):
        with tempfile.TemporaryDirectory() as d, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(d + "/notify")
            systemd.settimeout(30)
            env = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": d + "/notify", "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1",
                   "CPOA_HTTP_PORT": "0", "CPOA_DRAIN_SECONDS": "0", "AMQP_URL": "amqp://127.0.0.1:1/", "POSTGRES_HOST": "127.0.0.1"}
            worker = subprocess.Popen([os.environ["CPOA_BIN"], "worker"], env=env, cwd=d, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            try:
                self.assertEqual(systemd.recv(100), b"READY=1")
                worker.send_signal(signal.SIGTERM)
                self.assertEqual(systemd.recv(100), b"STOPPING=1")
                self.assertEqual(worker.wait(30), 0)
            finally:
                worker.kill()
                worker.wait()


if __name__ == "__main__":
    BUILD = Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
