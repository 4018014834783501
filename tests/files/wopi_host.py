#!/usr/bin/python3
"""A WOPI host ([MS-WOPI]) that knows nothing of Tierlab: it asks the farm for discovery, and verifies
the proof keys of each request with another library. It writes down each thing that it was asked.
"""
import base64
import http.server
import json
import os
import ssl
import struct
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NAME = "docs.example"
FOLDER = "/etc/documents"
files = {}
locks = {}
for name in sorted(os.listdir(FOLDER)):
    with open(os.path.join(FOLDER, name), "rb") as file:
        files[name] = [file.read()]


def key_of_blob(blob):
    kind, version, _, algorithm, magic, bits, exponent = struct.unpack("<BBHIIII", blob[:20])
    assert (kind, version, algorithm, magic) == (6, 2, 0xA400, 0x31415352), "no PUBLICKEYBLOB"
    assert len(blob) == 20 + bits // 8, "no modulus"
    return rsa.RSAPublicNumbers(exponent, int.from_bytes(blob[20:], "little"))


def keys():
    with urllib.request.urlopen("https://wac.example/hosting/discovery") as answer:
        tree = xml.etree.ElementTree.fromstring(answer.read())
    told = tree.find("proof-key").attrib
    for old in ("", "old"):
        integer = lambda name: int.from_bytes(base64.b64decode(told[old + name]), "big")
        numbers = key_of_blob(base64.b64decode(told[old + "value"]))
        assert numbers.n == integer("modulus") and numbers.e == integer("exponent"), "they differ"
        yield numbers.public_key()


def proved(handler, token):
    url = ("https://" + handler.headers["Host"] + handler.path).upper().encode()
    stamp = int(handler.headers["X-WOPI-TimeStamp"])
    now = int(time.time() * 10**7) + 621355968000000000
    if abs(now - stamp) > 20 * 60 * 10**7:
        return False
    parts = (token.encode(), url, struct.pack(">q", stamp))
    message = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    pairs = zip(keys(), ("X-WOPI-Proof", "X-WOPI-ProofOld"))
    try:
        for key, name in pairs:
            signature = base64.b64decode(handler.headers[name])
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **fields):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urllib.parse.urlsplit(self.path)
        token = urllib.parse.parse_qs(url.query).get("access_token", [""])[0]
        steps = url.path.split("/")
        if steps[:3] != ["", "wopi", "files"] or urllib.parse.unquote(steps[3]) not in files:
            return self.answer(404)
        name, contents = urllib.parse.unquote(steps[3]), steps[4:] == ["contents"]
        what = self.headers.get("X-WOPI-Override", self.command)
        if not token.startswith("token of "):
            return self.answer(401)
        if not proved(self, token):
            print("not proved", flush=True)
            return self.answer(500)
        who = token.removeprefix("token of ")
        print("asked", what, name, "for", who, flush=True)
        wanted, held = self.headers.get("X-WOPI-Lock"), locks.get(name)
        version = lambda: str(len(files[name]))
        if what == "GET" and contents:
            return self.answer(200, files[name][-1], X_WOPI_ItemVersion=version())
        if what == "GET":
            info = {
                "BaseFileName": name,
                "OwnerId": "owner",
                "Size": len(files[name][-1]),
                "UserId": who,
                "UserFriendlyName": who,
                "Version": version(),
                "UserCanWrite": True,
                "SupportsLocks": True,
                "SupportsUpdate": True,
            }
            return self.answer(200, json.dumps(info).encode())
        if what == "LOCK" and held in (None, wanted):
            locks[name] = wanted
        elif what == "UNLOCK" and held == wanted:
            del locks[name]
        elif what == "PUT" and contents and held == wanted is not None:
            files[name].append(body)
            return self.answer(200, X_WOPI_ItemVersion=version())
        else:
            return self.answer(409, X_WOPI_Lock=held or "")
        return self.answer(200)

    do_GET = do_POST = handle_request

    def log_message(self, *_):
        pass


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/tierlab/node.crt", "/etc/tierlab/node.key")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
