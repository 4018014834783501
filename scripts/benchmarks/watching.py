"""What scenarios take, in one lab and each in its own; what watching costs; what a capture keeps up
with."""
import json
import pathlib
import re
import signal
import subprocess
import time

from .machine import LAB, run, settle
from .traffic import BALANCER, GATEWAY, bits, iperf, rate, until_listening, write, wrk

# Packets a second that are offered, until some are lost.
OFFERED = [5_000, 10_000, 20_000, 50_000, 100_000, 200_000]


def scenarios():
    """[(how, scenarios, seconds)] of contoso's."""
    rows = []
    for how, more in (("in one lab", []), ("each in a lab of its own", ["--isolate"])):
        settle()
        started = time.monotonic()
        out = run([LAB, "test", "contoso", "--json", *more], 1800)
        took = time.monotonic() - started
        rows.append((how, len(json.loads(out)["scenarios"]), took))
    return rows


class Watched:
    """`lab trace --follow`, which writes every conversation of the lab to nowhere."""

    def __init__(self, lab):
        self.command = [LAB, "trace", "-l", lab.name, "--follow"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


class Unwatched:
    """Nobody looks."""

    def __init__(self, _):
        pass

    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def latency(report):
    """Mean latency of wrk, in microseconds."""
    number, unit = re.search(r"Latency\s+([\d.]+)(us|ms|s)", report).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def watching(folder, seconds, rounds):
    """[(what, figures while nobody watches, while traced, and afterwards)]; the three take turns."""
    turns = [("before", Unwatched), ("traced", Watched), ("after", Unwatched)]
    found = {}

    def note(what, turn, figure):
        found.setdefault(what, {}).setdefault(turn, []).append(figure)

    with write(folder, "bench-gateway", GATEWAY) as lab:
        command = [LAB, "exec", "-l", lab.name, "web", "--", "iperf3", "-s"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                until_listening(lambda *command: lab.exec("web", *command), 5201)
                for _ in range(rounds):
                    for turn, kind in turns:
                        with kind(lab):
                            note("gateway, one TCP stream, bit/s", turn,
                                 bits(lab.exec("client", *iperf("10.9.2.21", seconds))))
                            note("gateway, new connections a second", turn,
                                 rate(lab.exec("client", *wrk("http://10.9.2.21/", seconds))))
            finally:
                server.terminate()
    with write(folder, "bench-balancer", BALANCER) as lab:
        url = "https://seven.example/health"
        for _ in range(rounds):
            for turn, kind in turns:
                with kind(lab):
                    note("layer-7 VIP, new connections a second", turn,
                         rate(lab.exec("client", *wrk(url, seconds))))
                    kept = ["wrk", "-t", "1", "-c", "1", "-d", f"{seconds}s", url]
                    note("layer-7 VIP, latency on a kept connection, µs", turn,
                         latency(lab.exec("client", *kept)))
    return found


def captured(folder, seconds):
    """[(offered a second, sent, captured, lost)] of datagrams of 64 bytes on one link."""
    rows = []
    text = GATEWAY.replace("tcp/5201]", "tcp/5201, udp/5201]")
    with write(folder, "bench-gateway", text) as lab:
        command = [LAB, "exec", "-l", lab.name, "web", "--", "iperf3", "-s"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                until_listening(lambda *command: lab.exec("web", *command), 5201)
                for offered in OFFERED:
                    rows.append((offered, *one_capture(folder, lab, offered, seconds)))
                    if rows[-1][-1]:
                        break
            finally:
                server.terminate()
    return rows


def one_capture(folder, lab, offered, seconds):
    file = pathlib.Path(folder) / "rate.pcapng"
    capture = subprocess.Popen(
        [LAB, "capture", "-l", lab.name, "client:outside", "-f", "udp port 5201", "-w", file],
        stderr=subprocess.PIPE, text=True)
    # It says so when it has begun.
    capture.stderr.readline()
    size = 64
    report = lab.exec("client", "iperf3", "-J", "-u", "-c", "10.9.2.21", "-t", str(seconds),
                      "-l", str(size), "-b", str(offered * size * 8))
    capture.send_signal(signal.SIGTERM)
    said = capture.communicate(timeout=60)[1]
    sent = json.loads(report)["end"]["sum"]["packets"]
    kept = int(re.search(r"(\d+) packets? captured", said).group(1))
    lost = re.search(r"(\d+) LOST", said)
    return sent / seconds, kept / seconds, int(lost.group(1)) if lost else 0
