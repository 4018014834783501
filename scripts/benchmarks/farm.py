"""Contoso's SharePoint through its VIP, and what each kind of service weighs."""
import re

from .machine import Lab
from .traffic import rate

SITE = "https://partnerweb.contoso.com"
SIGN_IN = f"""\
rm -f /tmp/jar; curl -sS -o /dev/null -c /tmp/jar -d username=alice --data-urlencode 'password=Passw0rd!' \
{SITE}/_login/default.aspx; awk '/FedAuth/ {{ print $7 }}' /tmp/jar"""


def wrk(url, seconds, *headers):
    more = [part for header in headers for part in ("-H", header)]
    return ["wrk", "-t", "1", "-c", "8", "-d", f"{seconds}s", *more, url]


def measure(seconds):
    """[(what, requests a second)], and {kind of service: (processes, kB of each)}"""
    with Lab("contoso", "contoso") as lab:
        ask = lambda *asked: answered(lab.exec("pc1", *wrk(*asked)))  # noqa: E731
        rows = [("the health of a front end", ask(f"{SITE}/health", seconds))]
        cookie = lab.exec("pc1", "sh", "-c", SIGN_IN).strip()
        if not cookie:
            raise SystemExit("error: alice was given no session")
        signed_in = f"Cookie: FedAuth={cookie}"
        rows.append(("a site's page, signed in", ask(f"{SITE}/", seconds, signed_in)))
        accept = "Accept: application/json;odata=nometadata"
        rows.append(("its title by REST, signed in",
                     ask(f"{SITE}/_api/web/title", seconds, signed_in, accept)))
        return rows, weights(lab)


def answered(report):
    """Requests a second, if all of them were answered well."""
    if re.search(r"Non-2xx|Socket errors", report):
        raise SystemExit(f"error: not all requests were answered\n{report}")
    return rate(report)


def weights(lab):
    # The kernel cuts names after 15 bytes.
    nodes = {name[:15] for name in lab.status()["nodes"]}
    found = {}
    for name, kilobytes in lab.pss_of_each():
        kind = "first process of a node" if name in nodes else name
        found.setdefault(kind, []).append(kilobytes)
    return {kind: (len(all_of), sum(all_of) / len(all_of)) for kind, all_of in found.items()}
