"""Traffic through a lab: throughput and new connections a second, against a plain routed pair of
namespaces made by iproute2 in namespaces of its own."""
import json
import pathlib
import re
import subprocess
import time

from .machine import LAB, Lab, run, settle

GATEWAY = """\
lab: bench-gateway
segments:
  outside: { prefix: 10.9.1.0/24 }
  inside:  { prefix: 10.9.2.0/24 }
nodes:
  client:  { on: { outside: .60 } }
  gateway: { router: true, on: { outside: .1, inside: .1 }, acl: gateway }
  web:     { on: { inside: .21 }, WEB }
acls:
  gateway:
    - { id: B1, permit: [tcp/80, tcp/5201], from: client, note: what is measured }
    - { id: B2, drop: any, note: everything else }
"""
BALANCER = """\
lab: bench-balancer
domain: example
resolvers: [client]
segments:
  front: { prefix: 10.9.1.0/24 }
  back:  { prefix: 10.9.2.0/24 }
nodes:
  client: { on: { front: .60 }, service: dns }
  lb:     { on: { front: .10, back: .10 }, service: balancer }
  web:    { on: { back: .21 }, WEB }
  tier:   { on: { back: .31, front: .31 }, service: { tier-web: { names: [seven.example] } } }
balancers:
  four:  { on: lb, vip: 10.9.1.104, layer: 4, ports: [tcp/80, tcp/5201], members: web, health: { port: 80 } }
  seven: { on: lb, vip: 10.9.1.107, layer: 7, sites: [{ hosts: [seven.example], members: tier, health: { path: /health } }] }
dns:
  views: { all: { server: client, clients: any } }
  zones: [{ zone: example, view: all, records: { seven: seven } }]
"""
WEB = ("files: { /etc/nginx/nginx.conf: { text: %s } }, run: { name: nginx, "
       "argv: [nginx, -c, /etc/nginx/nginx.conf, -e, stderr], health: { http: { port: 80, path: / } } }")
NGINX = ("daemon off; master_process off; user root root; pid /run/nginx.pid; error_log stderr; "
         "events { worker_connections 8192; } http { access_log off; "
         "client_body_temp_path /run/body; proxy_temp_path /run/proxy; "
         "fastcgi_temp_path /run/fastcgi; uwsgi_temp_path /run/uwsgi; scgi_temp_path /run/scgi; "
         "server { listen 80; location / { return 200 ok; } } }")
PLAIN = """\
set -e
mount -t tmpfs tmpfs /run; mkdir -p /run/netns
mount -t tmpfs tmpfs /var/log; mkdir -p /var/log/nginx
for n in a r b; do ip netns add $n; ip -n $n link set lo up; done
ip -n a link add eth0 type veth peer name to-a netns r
ip -n b link add eth0 type veth peer name to-b netns r
ip -n a address add 10.9.1.60/24 dev eth0; ip -n r address add 10.9.1.1/24 dev to-a
ip -n b address add 10.9.2.21/24 dev eth0; ip -n r address add 10.9.2.1/24 dev to-b
for end in "a eth0" "b eth0" "r to-a" "r to-b"; do set -- $end; ip -n $1 link set $2 up; done
ip -n a route add default via 10.9.1.1; ip -n b route add default via 10.9.2.1
ip netns exec r sysctl -qw net.ipv4.ip_forward=1
"""


def bits(report):
    return json.loads(report)["end"]["sum_received"]["bits_per_second"]


def rate(report):
    return float(re.search(r"Requests/sec:\s*([\d.]+)", report).group(1))


def wrk(url, seconds):
    """New connections: each request asks the server to close."""
    return ["wrk", "-t", "1", "-c", "16", "-d", f"{seconds}s", "-H", "Connection: close", url]


def iperf(address, seconds):
    return ["iperf3", "-J", "-c", address, "-t", str(seconds)]


def until_listening(call, port):
    """Waits for a server to listen; `call` runs a command where it does."""
    end = time.monotonic() + 10
    while f":{port} " not in call("ss", "-ltn"):
        if time.monotonic() > end:
            raise SystemExit(f"error: nothing listens on port {port}")
        time.sleep(0.05)


def plain(folder, seconds):
    """Throughput and connections a second of a routed pair without bridges, rules or a lab."""
    settle()
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX)
    script = PLAIN + f"""
ip netns exec b iperf3 -s >/dev/null & server=$!
ip netns exec b nginx -c {config} -e stderr & web=$!
for port in 5201 80; do
    tries=0
    until ip netns exec b ss -ltn | grep -q ":$port "; do
        tries=$((tries + 1)); [ $tries -lt 200 ] || exit 1; sleep 0.05
    done
done
ip netns exec a {' '.join(iperf('10.9.2.21', seconds))}
echo =====
ip netns exec a wrk -t 1 -c 16 -d {seconds}s -H 'Connection: close' http://10.9.2.21/
kill $server $web
"""
    out = run(["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork",
               "--kill-child", "bash", "-c", script], 60 + 4 * seconds)
    throughput, connections = out.split("=====")
    return bits(throughput), rate(connections)


def through(lab, address, seconds):
    """Throughput and connections a second from the lab's client to its web server by an address."""
    command = [LAB, "exec", "-l", lab.name, "web", "--", "iperf3", "-s"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until_listening(lambda *command: lab.exec("web", *command), 5201)
            return (bits(lab.exec("client", *iperf(address, seconds))),
                    rate(lab.exec("client", *wrk(f"http://{address}/", seconds))))
        finally:
            server.terminate()


def write(folder, name, text):
    file = pathlib.Path(folder) / f"{name}.yaml"
    file.write_text(text.replace("WEB", WEB % json.dumps(NGINX)))
    return Lab(file, name)


def measure(folder, seconds):
    """[(what, bits a second or None, new connections a second, row to compare with)]."""
    rows = [("plain routed pair", *plain(folder, seconds), None)]
    with write(folder, "bench-gateway", GATEWAY) as lab:
        rows.append(("gateway with ACL", *through(lab, "10.9.2.21", seconds), 0))
    with write(folder, "bench-balancer", BALANCER) as lab:
        rows.append(("layer-4 VIP", *through(lab, "10.9.1.104", seconds), 0))
        direct = rate(lab.exec("client", *wrk("https://10.9.1.31/health", seconds)))
        rows.append(("TLS to a tier itself", None, direct, None))
        seven = rate(lab.exec("client", *wrk("https://seven.example/health", seconds)))
        rows.append(("layer-7 VIP, TLS on both sides", None, seven, 3))
    return rows
