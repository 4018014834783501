"""What is measured with: programs, the lab command, the processes of a lab."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
LAB = TARGET / "release" / "lab"
EXAMPLES = TARGET / "release" / "examples"


def run(command, limit=300, check=True, **more):
    """Output of a program that must succeed within `limit` seconds."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                          timeout=limit, **more)
    if check and done.returncode:
        words = " ".join(map(str, command))
        sys.exit(f"error: `{words}` failed with status {done.returncode}:\n{done.stderr}{done.stdout}")
    return done.stdout


def install(needs):
    """Program → Debian package; installs those that are missing."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    os.environ["PATH"] = path
    missing = [package for program, package in needs.items() if not shutil.which(program, path=path)]
    if not missing:
        return
    note(f"installing {' '.join(missing)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run([*sudo, "apt-get", "update", "-qq"], check=False, env=environment)
    run([*sudo, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], 600,
        env=environment)


def build():
    note("building")
    run(["cargo", "build", "--release", "--locked", "--workspace", "--bins", "--examples",
         "--quiet"], 3600, cwd=ROOT)


def note(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def settle(limit=30):
    """Waits until the kernel has taken down what ended before: it does so behind everybody's back,
    with the lock that building needs. A worker busy with that shows a plus before its queue."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        busy = False
        for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
            try:
                busy = busy or comm.read_text().rstrip().endswith("+netns")
            except OSError:
                continue
        if not busy:
            return
        time.sleep(0.02)


class Lab:
    """A lab that is up inside a `with`; `micros` and `stages` say what that took."""

    def __init__(self, file, name):
        self.file, self.name, self.down = file, name, None

    def __enter__(self):
        settle()
        started = time.monotonic()
        out = run([LAB, "up", *([self.file] if self.file else []), "--json"])
        self.micros = (time.monotonic() - started) * 1e6
        self.stages = {stage["stage"]: stage for stage in json.loads(out)["stages"]}
        return self

    def __exit__(self, *_):
        started = time.monotonic()
        run([LAB, "down", self.name])
        self.down = (time.monotonic() - started) * 1e6

    def exec(self, node, *command, limit=60, check=True):
        return run([LAB, "exec", "-l", self.name, node, "--", *command], limit, check)

    def status(self):
        return json.loads(run([LAB, "status", "-l", self.name, "--json"]))

    def processes(self):
        """All processes of the lab, by their numbers on the host."""
        folder = os.environ.get("XDG_RUNTIME_DIR", f"/tmp/tierlab-{os.geteuid()}")
        places = [f"{folder}/tierlab", "/run/tierlab", f"/tmp/tierlab-{os.geteuid()}"]
        lock = next(path for place in places
                    if (path := pathlib.Path(place) / f"{self.name}.lock").exists())
        found, todo = [], [int(lock.read_text())]
        while todo:
            pid = todo.pop()
            try:
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
            except FileNotFoundError:  # it has just ended
                continue
            found.append(pid)
            todo += map(int, children.split())
        return found

    def pss_of_each(self):
        """(name, proportional set size in kB) of each process."""
        for pid in self.processes():
            place = pathlib.Path(f"/proc/{pid}")
            name = place.joinpath("comm").read_text().rstrip()
            for line in place.joinpath("smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    yield name, int(line.split()[1])

    def pss(self):
        """Proportional set size of all processes, kB."""
        return sum(kilobytes for _, kilobytes in self.pss_of_each())

    def cpu(self):
        """Processor time of all processes so far, seconds."""
        ticks = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
