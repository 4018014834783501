#!/usr/bin/python3
"""An HTTPS server that authenticates connections by NTLMv2 ([MS-NLMP] 3.2.5, [MS-NTHT]).

It says who logged in on the connection that a request came by, and at which node.
"""
import base64
import hmac
import http.server
import os
import socket
import ssl

from impacket import ntlm

PASSWORDS = {"alice": "Passw0rd!", "bob": "Wint3r!"}
DOMAIN = "CONTOSO"


def challenge_message(challenge):
    pairs = ntlm.AV_PAIRS()
    pairs[ntlm.NTLMSSP_AV_DOMAINNAME] = DOMAIN.encode("utf-16-le")
    pairs[ntlm.NTLMSSP_AV_HOSTNAME] = socket.gethostname().encode("utf-16-le")
    message = ntlm.NTLMAuthChallenge()
    message["flags"] = (
        ntlm.NTLMSSP_NEGOTIATE_UNICODE
        | ntlm.NTLMSSP_NEGOTIATE_NTLM
        | ntlm.NTLMSSP_NEGOTIATE_EXTENDED_SESSIONSECURITY
        | ntlm.NTLMSSP_NEGOTIATE_TARGET_INFO
        | ntlm.NTLMSSP_REQUEST_TARGET
        | ntlm.NTLMSSP_TARGET_TYPE_DOMAIN
        | ntlm.NTLMSSP_NEGOTIATE_ALWAYS_SIGN
    )
    name = DOMAIN.encode("utf-16-le")
    message["domain_len"] = message["domain_max_len"] = len(name)
    message["domain_offset"] = 40 + 16
    message["challenge"] = challenge
    message["domain_name"] = name
    message["TargetInfoFields"] = pairs
    message["TargetInfoFields_len"] = message["TargetInfoFields_max_len"] = len(pairs.getData())
    message["TargetInfoFields_offset"] = 40 + 16 + len(name)
    message["Version"] = b"\0" * 8
    message["VersionLen"] = 8
    return message.getData()


def verified(data, challenge):
    """The user whose password made this AUTHENTICATE_MESSAGE, if one did."""
    message = ntlm.NTLMAuthChallengeResponse()
    message.fromString(data)
    user = message["user_name"].decode("utf-16-le")
    domain = message["domain_name"].decode("utf-16-le")
    response = message["ntlm"]
    password = PASSWORDS.get(user)
    if password is None or len(response) <= 24:
        return None
    key = ntlm.NTOWFv2(user, password, domain)
    proof = ntlm.hmac_md5(key, challenge + response[16:])
    return user if hmac.compare_digest(proof, response[:16]) else None


class Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    user = None
    challenge = None

    def do_GET(self):
        word = self.headers.get("Authorization", "")
        if word.startswith("NTLM "):
            data = base64.b64decode(word[5:])
            if data[8:12] == b"\1\0\0\0":
                self.user, self.challenge = None, os.urandom(8)
                offer = base64.b64encode(challenge_message(self.challenge)).decode()
                return self.say(401, "challenge\n", f"NTLM {offer}")
            self.user = self.challenge and verified(data, self.challenge)
            self.challenge = None
        if self.user is None:
            return self.say(401, "who are you?\n", "NTLM")
        self.say(200, f"{self.user} at {socket.gethostname()}\n")

    def say(self, status, text, ask=None):
        self.send_response(status)
        if ask:
            self.send_header("WWW-Authenticate", ask)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/tierlab/node.crt", "/etc/tierlab/node.key")


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def finish_request(self, request, client_address):
        # In the connection's own thread: a health check that says nothing holds up nobody.
        with context.wrap_socket(request, server_side=True) as stream:
            super().finish_request(stream, client_address)


Server(("", 443), Connection).serve_forever()
