"""Logins a second by method: each over a connection of its own, verified by a domain controller that
is asked over the network, against the same request that nobody has to log in for."""
import json
import pathlib

from .machine import LAB, run, settle

ROOT = pathlib.Path(__file__).resolve().parents[2]
URL = "https://web.corp.example"
WAYS = ["none", "basic", "ntlm", "negotiate"]


def step(way, times):
    if way == "none":
        return f'  - {{ http: "{URL}/health", times: {times}, timeout: 60s }}\n'
    return f'  - {{ http: "{URL}/", login: {way}, times: {times}, timeout: 60s }}\n'


def measure(folder, rounds, times=200):
    """{method: logins a second, in each round}"""
    file = pathlib.Path(folder) / "logins.yaml"
    file.write_text("title: Logins by each method\nfrom: client\nas: alice\nsteps:\n"
                    + "".join(step(way, times) for way in WAYS))
    found = {way: [] for way in WAYS}
    for _ in range(rounds):
        settle()
        lab = ROOT / "scenarios/login/lab.yaml"
        report = json.loads(run([LAB, "test", "--file", lab, "--json", file], 600))
        for way, done in zip(WAYS, report["scenarios"][0]["steps"]):
            found[way].append(times / (done["micros"] / 1e6))
    return found
